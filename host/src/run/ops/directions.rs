//! `direction.write` and `direction.open`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use emhost_abi::wire::{DirectionOpen, DirectionReply, DirectionWrite, Reply};
use emhost_abi::{Failure, Reader, kind};
use serde_json::{Value, json};

use super::lab::{Lab, plain_name, reply};
use super::stream::one;
use crate::model::intervene;
use crate::run::error::RunError;
use crate::store::{Effort, StageKey};
use crate::vector::{self, DIRECTIONS, Direction, Named, Reference};

impl Lab {
    /// Stores directions; the same ones are stored once.
    pub(super) fn direction_write(&self, request: &DirectionWrite, input: Reader) -> Result<DirectionReply, RunError> {
        plain_name("direction", &request.name)?;
        let mut all = named(input)?;
        let identity: Vec<Value> = all
            .iter()
            .map(|Named { name, direction }| {
                let (site, provenance) = (&direction.site, &direction.provenance);
                json!({ "name": name, "site": site, "provenance": provenance, "vector": intervene::digest(&direction.values) })
            })
            .collect();
        let key = StageKey::of("direction", &json!({ "name": request.name, "directions": identity }));
        let run = self.folder.root().file_name().map(|name| name.to_string_lossy().into_owned());
        for Named { direction, .. } in &mut all {
            direction.provenance.insert("study".to_owned(), request.name.clone().into());
            direction.provenance.insert("run".to_owned(), json!(run));
            direction.provenance.insert("cell".to_owned(), json!(self.cell()));
        }
        let folder = self.built(&key, |folder: &Path| -> Result<Effort, RunError> {
            vector::write(folder.join(DIRECTIONS), &all)?;
            Ok(Effort::default())
        })?;
        Ok(DirectionReply { directions: folder.join(DIRECTIONS).display().to_string() })
    }

    /// Directions of a file of any known form.
    pub(super) fn direction_open(&self, request: &DirectionOpen) -> Result<(String, Option<Reader>), RunError> {
        let Reference { path, name } = Reference::parse(&request.vector);
        let all = vector::select(&path, vector::read_all(&path)?, &Vec::from_iter(name))?;
        for Named { name, .. } in &all {
            self.depends_on_vector(&format!("{}#{name}", path.display()))?;
        }
        reply(Reply {}, Some(one(batch(&path, &all)?)))
    }
}

fn named(input: Reader) -> Result<Vec<Named>, RunError> {
    let wrong = |problem: String| RunError::Failure(Failure::new(kind::INPUT, format!("direction.write: {problem}")));
    let schema = input.schema();
    let batches: Vec<RecordBatch> = input.collect::<Result<_, _>>().map_err(|e| wrong(e.to_string()))?;
    let all = concat_batches(&schema, &batches).map_err(|e| wrong(e.to_string()))?;
    let text = |name: &str| {
        let column = all.column_by_name(name).and_then(|c| c.as_any().downcast_ref::<StringArray>());
        column.cloned().ok_or_else(|| wrong(format!("it takes a column of text `{name}`")))
    };
    let (names, sites, provenance) = (text("name")?, text("site")?, text("provenance")?);
    let vectors = all.column_by_name("vector").and_then(|c| c.as_any().downcast_ref::<FixedSizeListArray>());
    let vectors = vectors.ok_or_else(|| wrong("it takes a column of vectors `vector`".to_owned()))?;
    let direction = |at: usize| {
        let values = vectors.value(at);
        let values = values.as_any().downcast_ref::<Float32Array>();
        let values = values.ok_or_else(|| wrong("its vectors hold f32".to_owned()))?.values().to_vec();
        let provenance = serde_json::from_str(provenance.value(at))
            .map_err(|e| wrong(format!("the provenance of `{}`: {e}", names.value(at))))?;
        let direction = Direction { values, site: Some(sites.value(at).to_owned()), provenance };
        Ok(Named { name: names.value(at).to_owned(), direction })
    };
    (0..all.num_rows()).map(direction).collect()
}

fn batch(path: &Path, all: &[Named]) -> Result<RecordBatch, RunError> {
    let width = all.first().map_or(0, |named| named.direction.values.len());
    if let Some(other) = all.iter().find(|named| named.direction.values.len() != width) {
        let problem = format!("`{}` is {} wide, others {width}", other.name, other.direction.values.len());
        return Err(RunError::Usage(format!("read {}: {problem}: name one of them", path.display())));
    }
    let text =
        |f: &dyn Fn(&Named) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(all.iter().map(f))) };
    let provenance = |named: &Named| serde_json::to_string(&named.direction.provenance).unwrap_or_default();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let numbers: Float32Array = all.iter().flat_map(|named| named.direction.values.iter().copied()).collect();
    let size = i32::try_from(width).unwrap_or(i32::MAX);
    let failed = |e: arrow::error::ArrowError| RunError::Operation(e.to_string());
    let vectors = FixedSizeListArray::try_new(item, size, Arc::new(numbers), None).map_err(failed)?;
    let columns: [(&str, ArrayRef); 4] = [
        ("name", text(&|named| named.name.clone())),
        ("site", text(&|named| named.direction.site.clone().unwrap_or_default())),
        ("provenance", text(&provenance)),
        ("vector", Arc::new(vectors)),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), false)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)
}
