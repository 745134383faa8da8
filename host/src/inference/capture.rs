//! Activations of rows as a dataset: `emhost capture` and the operation `forward`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field};
use emhost_abi::wire::{Firing, Pooling, Row};
use serde_json::{Value, json};

use super::acts::{batch, schema, table, token_lists};
use super::explain::{Plan, measure};
use super::steering::Steering;
use crate::model::activations::{Activations, Look, Unit, Wanted, activations, passes, planned};
use crate::model::intervene::{Firings, Interventions};
use crate::model::organism::Organism;
use crate::model::parallel::{in_order, lanes};
use crate::model::site::Site;
use crate::model::text::Encoded;
use crate::model::{ModelError, numerics};
use crate::run::RunError;
use crate::store::{ActivationType, Card, Dataset, DatasetWriter, WriteOptions};

/// What to capture.
pub struct CaptureTask<'a> {
    organism: &'a Organism,
    rows: &'a [Row],
    sites: Vec<Site>,
    looks: Vec<Look>,
    names: Vec<String>,
    steering: Steering,
    interventions: Interventions,
    columns: Columns,
    activations: ActivationType,
}

/// What was captured.
pub struct Captured {
    /// The dataset.
    pub dataset: Dataset,
    /// How often the interventions fired.
    pub firings: Vec<Firing>,
    /// Tokens that were computed.
    pub tokens: u64,
}

/// Which labels stand before the vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// `view`, `pos` and `token_id` always; the latter are null for a mean.
    Every,
    /// `view` where there are several, `pos` and `token_id` where vectors are of single tokens.
    Needed,
}

impl<'a> CaptureTask<'a> {
    /// Selects sites and reads vectors; each way of looking has a name, which the column `view` tells.
    pub fn new(
        organism: &'a Organism,
        rows: &'a [Row],
        sites: &[String],
        looks: Vec<(String, Look)>,
        steering: Steering,
    ) -> Result<Self, RunError> {
        let (names, looks) = looks.into_iter().unzip();
        let interventions = steering.resolve(organism, rows)?;
        let sites = organism.sites(sites)?;
        let (columns, activations) = (Columns::Every, ActivationType::AsGiven);
        Ok(Self { organism, rows, sites, looks, names, steering, interventions, columns, activations })
    }

    /// Chooses the labels and the type of the stored numbers.
    pub fn stored(self, columns: Columns, activations: ActivationType) -> Self {
        Self { columns, activations, ..self }
    }

    /// Everything that decides the result; `rows` is their digest.
    pub fn inputs(&self, rows: &str) -> Value {
        let names: Vec<String> = self.sites.iter().map(Site::to_string).collect();
        let dtype = if self.activations == ActivationType::F16 { "f16" } else { "f32" };
        let mut inputs = json!({
            "organism": self.organism.digest,
            "rows": rows,
            "sites": names,
            "views": self.names,
            "dtype": dtype,
            "numerics": numerics(&self.organism.device),
        });
        self.steering.key(&self.interventions, &mut inputs);
        inputs
    }

    /// Runs all rows and writes the dataset `target`; `step` is told how many rows of how many are done, and returns
    /// false to stop.
    pub fn write(
        mut self,
        target: &Path,
        card: Card,
        step: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Captured, RunError> {
        let encoded = self.encode()?;
        let mut interventions = std::mem::take(&mut self.interventions);
        self.steering.patch(&mut interventions, self.organism, self.rows, &encoded)?;
        let units = self.units(&encoded, &interventions)?;
        self.count_empty(&units)?;
        let wanted = Wanted { sites: &self.sites, looks: &self.looks, interventions: &interventions };
        let passes = passes(self.organism, &units, &wanted)?;
        let options = WriteOptions { activations: self.activations, ..WriteOptions::default() };
        let mut writer = DatasetWriter::create_with(target, card, options)?;
        writer.write_rows(&self.rows_batch(&encoded)?)?;
        let schema = schema(self.labels(), self.organism, &self.sites);
        let mut firings = Firings::default();
        let run = |pass: &Range<usize>| {
            let mut firings = Firings::default();
            let captured = activations(self.organism, &units[pass.clone()], &wanted, &mut firings)?;
            Ok((pass.end, captured, firings))
        };
        in_order(&passes, lanes(&self.organism.device), run, |(end, captured, fired)| {
            let labels = self.label_columns(&captured);
            writer.write_acts(&batch(&schema, labels, captured.values)?)?;
            firings.merge(&fired);
            if step(end, units.len()) { Ok(()) } else { Err(RunError::Interrupted) }
        })?;
        firings.check(&planned(&units, &interventions))?;
        let tokens = units.iter().map(|unit| unit.encoded.tokens.len() as u64).sum();
        Ok(Captured { dataset: writer.commit()?, firings: firings.list(&interventions), tokens })
    }

    /// What `write` would do, with its time estimated from one small pass.
    pub fn explain(mut self) -> Result<Plan, RunError> {
        let encoded = self.encode()?;
        let mut interventions = std::mem::take(&mut self.interventions);
        self.steering.patch(&mut interventions, self.organism, self.rows, &encoded)?;
        let units = self.units(&encoded, &interventions)?;
        let wanted = Wanted { sites: &self.sites, looks: &self.looks, interventions: &interventions };
        let passes = passes(self.organism, &units, &wanted)?;
        let tokens = |units: &[Unit<'_>]| units.iter().map(|unit| unit.encoded.tokens.len()).sum::<usize>();
        let largest = passes.iter().map(|pass| tokens(&units[pass.clone()])).max().unwrap_or(0);
        let numbers: usize = self.sites.iter().map(|site| self.organism.width(*site)).sum();
        let bytes = if self.activations == ActivationType::F16 { 2 } else { 4 };
        let labels = (units.len(), interventions.is_empty());
        let vectors: usize = units.iter().map(|unit| self.vectors(unit)).sum::<Result<usize, RunError>>()?;
        let probe = &units[passes.first().cloned().unwrap_or(0..0)];
        let device = &self.organism.device;
        let seconds = measure(device, tokens(probe), tokens(&units), || {
            activations(self.organism, probe, &wanted, &mut Firings::default()).map(drop)
        })?;
        // Of every lane: a pass, its captured values, and those of the pass before it, which are being written.
        let held = Plan::pass_bytes(self.organism, largest) + (3 * 4 * numbers * largest) as u64;
        Ok(Plan {
            rows: self.rows.len(),
            passes_per_row: labels.0 / self.rows.len().max(1),
            tokens: tokens(&units),
            batches: passes.len(),
            rows_per_batch: passes.iter().map(ExactSizeIterator::len).max().unwrap_or(0),
            memory_bytes: Plan::model_bytes(self.organism)
                + lanes(device) as u64 * held
                + WriteOptions::default().group_bytes as u64,
            disk_bytes: Some((vectors * (numbers * bytes + 12)) as u64),
            seconds,
        })
    }

    /// Names of the sites, in order.
    pub fn sites(&self) -> Vec<String> {
        self.sites.iter().map(Site::to_string).collect()
    }

    /// Says how many rows have no token of those that are asked for; an error where all do.
    fn count_empty(&self, units: &[Unit<'_>]) -> Result<(), RunError> {
        let mut empty = 0;
        for unit in units {
            empty += usize::from(self.vectors(unit)? == 0);
        }
        let problem = format!("{empty} of {} have no token there", units.len());
        match empty {
            0 => Ok(()),
            _ if empty == units.len() => {
                let value = format!("{:?}", self.looks.iter().map(|look| &look.tokens).collect::<Vec<_>>());
                Err(ModelError::Option { option: "positions", value, problem }.into())
            }
            _ => {
                tracing::warn!("rows that are left out: {problem} (positions {})", self.names.join(", "));
                Ok(())
            }
        }
    }

    fn vectors(&self, unit: &Unit<'_>) -> Result<usize, RunError> {
        use crate::model::intervene::{Chosen, Extent};
        let extent = Extent::whole(unit.encoded);
        let mut count = 0;
        for look in &self.looks {
            let tokens = Chosen::of(&look.tokens, &extent, unit.row_id)?.count(0, usize::MAX);
            count += if look.pooling == Pooling::Mean { tokens.min(1) } else { tokens };
        }
        Ok(count)
    }

    fn encode(&self) -> Result<Vec<Encoded>, RunError> {
        let mut encoded = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            let tokens = self.organism.text.encode(row)?;
            self.organism.check(&row.row_id, &tokens.tokens, 0)?;
            encoded.push(tokens);
        }
        Ok(encoded)
    }

    /// Every row once per strength; rows in order.
    fn units<'e>(&self, encoded: &'e [Encoded], interventions: &Interventions) -> Result<Vec<Unit<'e>>, RunError>
    where
        'a: 'e,
    {
        let doses = self.steering.doses();
        let mut units = Vec::with_capacity(encoded.len() * doses.len());
        for (at, (row, encoded)) in self.rows.iter().zip(encoded).enumerate() {
            interventions.check(&row.row_id, &crate::model::intervene::Extent::whole(encoded))?;
            let own = row.strength.unwrap_or(1.0);
            units.extend(doses.iter().map(|dose| Unit { row: at, row_id: &row.row_id, encoded, strength: own * dose }));
        }
        Ok(units)
    }

    fn views_shown(&self) -> bool {
        self.columns == Columns::Every || self.looks.len() > 1
    }

    fn tokens_shown(&self) -> bool {
        self.columns == Columns::Every || self.looks.iter().any(|look| look.pooling == Pooling::None)
    }

    fn labels(&self) -> Vec<Field> {
        let nullable = self.columns == Columns::Every || self.looks.iter().any(|look| look.pooling == Pooling::Mean);
        let mut labels = vec![Field::new("row_id", DataType::Utf8, false)];
        if !self.steering.is_empty() {
            labels.push(Field::new("strength", DataType::Float64, false));
        }
        if self.views_shown() {
            labels.push(Field::new("view", DataType::Utf8, false));
        }
        if self.tokens_shown() {
            labels.push(Field::new("pos", DataType::UInt32, nullable));
            labels.push(Field::new("token_id", DataType::UInt32, nullable));
        }
        labels
    }

    fn label_columns(&self, captured: &Activations) -> Vec<ArrayRef> {
        let origins = &captured.origins;
        let ids = origins.iter().map(|origin| &self.rows[origin.row].row_id);
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(ids))];
        if !self.steering.is_empty() {
            columns.push(Arc::new(Float64Array::from_iter_values(origins.iter().map(|origin| origin.strength))));
        }
        if self.views_shown() {
            columns
                .push(Arc::new(StringArray::from_iter_values(origins.iter().map(|origin| &self.names[origin.view]))));
        }
        if self.tokens_shown() {
            columns.push(Arc::new(origins.iter().map(|o| o.token.map(|(pos, _)| pos)).collect::<UInt32Array>()));
            columns.push(Arc::new(origins.iter().map(|o| o.token.map(|(_, id)| id)).collect::<UInt32Array>()));
        }
        columns
    }

    fn rows_batch(&self, encoded: &[Encoded]) -> Result<RecordBatch, RunError> {
        let rows = self.rows;
        let text = |f: &dyn Fn(usize) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((0..rows.len()).map(f)))
        };
        let (list, tokens) = token_lists(encoded.iter().map(|encoded| encoded.tokens.as_slice()));
        let prompts = UInt32Array::from_iter_values(encoded.iter().map(|encoded| encoded.prompt as u32));
        table(vec![
            ("row_id", DataType::Utf8, text(&|at| rows[at].row_id.clone())),
            ("topic", DataType::Utf8, text(&|at| rows[at].topic.clone().unwrap_or_default())),
            ("messages", DataType::Utf8, text(&|at| serde_json::to_string(&rows[at].messages).unwrap_or_default())),
            ("text", DataType::Utf8, text(&|at| encoded[at].text.clone())),
            ("token_ids", list, tokens),
            ("prompt_tokens", DataType::UInt32, Arc::new(prompts)),
        ])
    }
}
