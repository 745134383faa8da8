//! `forward`: activations of an organism over rows, as a stored dataset.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, ListBuilder, RecordBatch, StringArray, UInt32Array, UInt32Builder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use emhost_abi::wire::{DatasetReply, Forward, Row};
use serde_json::json;

use super::lab::Lab;
use super::stream::schema;
use crate::model::NUMERICS;
use crate::model::activations::{Activations, activations, passes};
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::model::text::Encoded;
use crate::run::error::RunError;
use crate::store::{Card, Dataset, DatasetWriter, Part, StageKey};

/// The dataset's folder inside its stage.
pub(super) const DATASET: &str = "dataset";

impl Lab {
    /// Captures activations, unless the store has them.
    pub(super) fn forward(&self, request: &Forward) -> Result<DatasetReply, RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.rows)?;
        let sites = Site::select(&request.sites, organism.config.blocks)?;
        let names: Vec<String> = sites.iter().map(Site::to_string).collect();
        let provenance = json!({
            "organism": organism.digest,
            "model": request.organism,
            "rows": digest,
            "sites": names,
            "views": request.views,
            "dtype": "f32",
            "numerics": NUMERICS,
        });
        let mut inputs = provenance.clone();
        // The name of a model does not change what it computes.
        inputs.as_object_mut().map(|inputs| inputs.remove("model"));
        let key = StageKey::of("forward", &inputs);
        let folder = self.shared.stages.build(&key, |folder| -> Result<(), RunError> {
            let about = format!("Activations of `{}` over {} rows.", request.organism.model, rows.len());
            let card = Card { title: "Activations".to_owned(), about, provenance: provenance.clone() };
            let mut writer = DatasetWriter::create(folder.join(DATASET), card)?;
            let encoded: Vec<Encoded> = rows.iter().map(|row| organism.text.encode(row)).collect::<Result<_, _>>()?;
            for (row, encoded) in rows.iter().zip(&encoded) {
                organism.check(&row.row_id, &encoded.tokens, 0)?;
            }
            writer.write_rows(&rows_batch(&rows, &encoded)?)?;
            let acts = acts_schema(&organism, &sites);
            for pass in passes(&organism, &encoded, &sites) {
                let first = pass.start;
                let captured = activations(&organism, &encoded[pass.clone()], first, &sites, &request.views)?;
                writer.write_acts(&acts_batch(&acts, &rows, request, captured)?)?;
                if !self.step("capture activations", pass.end, rows.len()) {
                    return Err(RunError::Interrupted);
                }
            }
            writer.commit()?;
            Ok(())
        })?;
        let dataset = Dataset::open(folder.join(DATASET))?;
        Ok(described(&dataset, format!("stage:forward/{}", key.as_str())))
    }
}

/// The reply that describes a dataset.
pub(super) fn described(dataset: &Dataset, name: String) -> DatasetReply {
    DatasetReply {
        dataset: name,
        rows: dataset.rows(Part::Acts),
        sites: dataset.sites(),
        digest: dataset.digest().to_owned(),
    }
}

fn rows_batch(rows: &[Row], encoded: &[Encoded]) -> Result<RecordBatch, RunError> {
    let text =
        |f: &dyn Fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..rows.len()).map(f))) };
    let item = Arc::new(Field::new("item", DataType::UInt32, false));
    let mut tokens = ListBuilder::new(UInt32Builder::new()).with_field(item.clone());
    for encoded in encoded {
        tokens.values().append_slice(&encoded.tokens);
        tokens.append(true);
    }
    let columns = vec![
        text(&|at| rows[at].row_id.clone()),
        text(&|at| rows[at].topic.clone().unwrap_or_default()),
        text(&|at| serde_json::to_string(&rows[at].messages).unwrap_or_default()),
        text(&|at| encoded[at].text.clone()),
        Arc::new(tokens.finish()),
        Arc::new(UInt32Array::from_iter_values(encoded.iter().map(|e| e.prompt as u32))),
    ];
    let names = [
        ("row_id", DataType::Utf8),
        ("topic", DataType::Utf8),
        ("messages", DataType::Utf8),
        ("text", DataType::Utf8),
        ("token_ids", DataType::List(item)),
        ("prompt_tokens", DataType::UInt32),
    ];
    RecordBatch::try_new(schema(&names), columns).map_err(|e| RunError::Operation(e.to_string()))
}

fn acts_schema(organism: &Organism, sites: &[Site]) -> SchemaRef {
    let mut fields = vec![
        Field::new("row_id", DataType::Utf8, false),
        Field::new("view", DataType::Utf8, false),
        Field::new("pos", DataType::UInt32, true),
        Field::new("token_id", DataType::UInt32, true),
    ];
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    fields.extend(sites.iter().map(|site| {
        Field::new(site.to_string(), DataType::FixedSizeList(item.clone(), organism.width(*site) as i32), false)
    }));
    Arc::new(Schema::new(fields))
}

fn acts_batch(
    schema: &SchemaRef,
    rows: &[Row],
    request: &Forward,
    captured: Activations,
) -> Result<RecordBatch, RunError> {
    let origins = &captured.origins;
    let names: Vec<String> = request.views.iter().map(|view| view.name()).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(origins.iter().map(|o| &rows[o.row].row_id))),
        Arc::new(StringArray::from_iter_values(origins.iter().map(|o| &names[o.view]))),
        Arc::new(origins.iter().map(|o| o.token.map(|(pos, _)| pos)).collect::<UInt32Array>()),
        Arc::new(origins.iter().map(|o| o.token.map(|(_, id)| id)).collect::<UInt32Array>()),
    ];
    for (values, field) in captured.values.into_iter().zip(&schema.fields()[4..]) {
        let DataType::FixedSizeList(item, width) = field.data_type() else { continue };
        columns.push(Arc::new(FixedSizeListArray::new(
            item.clone(),
            *width,
            Arc::new(Float32Array::from(values)),
            None,
        )));
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| RunError::Operation(e.to_string()))
}
