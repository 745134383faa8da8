//! The host's operations over a [`World`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{RecordBatch, StringArray};
use arrow::compute::{concat_batches, filter_record_batch, kernels::cmp::eq};
use arrow::datatypes::{Field, Schema};
use emhost_abi::wire::{
    DatasetOpen, DatasetReply, DatasetWrite, Figure, Firing, Organism, Reply, Report, RowsRead, TableOpen, Train,
    TrainReply, op,
};
use emhost_abi::{Failure, Host, LogRecord, Reader};
use serde::Serialize;
use serde_json::from_str;

use super::data::{World, question, uniform};
use crate::{Error, IntoReader, Result, Stream, Table};

/// Tokens of every fake input.
pub(super) const TOKENS: u32 = 5;

pub(super) struct FakeHost {
    pub(super) world: World,
    operations: &'static [&'static str],
    cancel_after: Option<u64>,
    state: Mutex<State>,
}

/// What the run has left so far.
#[derive(Default)]
pub(super) struct State {
    cell: Option<String>,
    progress: u64,
    datasets: BTreeMap<String, RecordBatch>,
    pub tables: BTreeMap<(Option<String>, String), Table>,
    pub figures: Vec<Figure>,
    pub report: Option<Report>,
    pub calls: BTreeMap<String, usize>,
}

pub(super) type Answer = Result<(String, Option<Reader>)>;

impl FakeHost {
    pub fn new(world: World, operations: &'static [&'static str], cancel_after: Option<u64>) -> Self {
        Self { world, operations, cancel_after, state: Mutex::default() }
    }

    /// What follows belongs to the cell, or to the summary.
    pub fn enter(&self, cell: Option<String>) {
        self.state().cell = cell;
    }

    pub fn take_state(&self) -> State {
        std::mem::take(&mut *self.state())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, op: &str, json: &str, input: Option<Reader>) -> Answer {
        match op {
            op::MODEL_INFO => from_str(json).map_err(Error::from).and_then(|_: Organism| plain(&self.world.model)),
            op::ROWS_READ => self.rows(&from_str(json)?),
            op::FORWARD => self.forward(&from_str(json)?),
            op::SAMPLE => self.sample(&from_str(json)?),
            op::SCORE => self.score(&from_str(json)?),
            op::TRAIN => self.train(&from_str(json)?),
            op::JUDGE => self.judge(&rows_of(op, input)?),
            op::ADAPTER_OPEN => self.adapter(&from_str(json)?),
            op::ADAPTER_EDIT => self.edit_adapter(&from_str(json)?),
            op::ADAPTER_MERGE => self.merge_adapters(&from_str(json)?),
            op::GRADIENTS => self.gradients(&from_str(json)?),
            op::DIRECTION_WRITE => self.write_directions(&from_str(json)?, &rows_of(op, input)?),
            op::DIRECTION_OPEN => self.directions(&from_str(json)?),
            op::DATASET_OPEN => self.open(&from_str(json)?),
            op::DATASET_WRITE => self.write(&from_str(json)?, rows_of(op, input)?),
            op::TABLE_OPEN => self.open_table(&from_str(json)?),
            op::FIGURE => {
                self.state().figures.push(from_str(json)?);
                plain(&Reply {})
            }
            op::REPORT => {
                self.state().report = Some(from_str(json)?);
                plain(&Reply {})
            }
            op::ECHO => Ok((json.to_owned(), input)),
            _ => Err(Error::Plugin(format!("this lab has no operation `{op}`"))),
        }
    }

    fn rows(&self, request: &RowsRead) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let messages = rows.iter().map(|row| serde_json::to_string(&row.messages)).collect::<Result<Vec<_>, _>>()?;
        table(
            Table::new()
                .with_text("row_id", rows.iter().map(|row| &row.row_id))
                .with_text("topic", rows.iter().map(|row| row.topic.as_deref().unwrap_or_default()))
                .with_text("messages", messages)
                .with_text("prompt", rows.iter().map(question)),
        )
    }

    /// Keeps a dataset.
    pub(super) fn store(
        &self,
        dataset: String,
        batch: RecordBatch,
        sites: Vec<String>,
        firings: Vec<Firing>,
    ) -> DatasetReply {
        let (rows, digest) = (batch.num_rows() as u64, dataset.clone());
        self.state().datasets.insert(dataset.clone(), batch);
        DatasetReply { dataset, rows, sites, digest, firings }
    }

    /// Keeps a table beside the datasets.
    pub(super) fn keep(&self, name: String, batch: RecordBatch) {
        self.state().datasets.insert(name, batch);
    }

    /// What was kept under a name.
    pub(super) fn kept(&self, name: &str) -> Option<RecordBatch> {
        self.state().datasets.get(name).cloned()
    }

    fn open(&self, request: &DatasetOpen) -> Answer {
        let DatasetOpen { dataset, columns, filter } = request;
        let mut batch = self
            .state()
            .datasets
            .get(dataset)
            .cloned()
            .ok_or_else(|| Error::Input(format!("there is no dataset `{dataset}`")))?;
        for (name, value) in filter {
            let table = Table::from(batch.clone());
            let wanted = StringArray::new_scalar(value);
            batch = filter_record_batch(&batch, &eq(table.column(name)?, &wanted)?)?;
        }
        let all = Table::from(batch);
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        table(if names.is_empty() { all } else { all.select(&names)? })
    }

    fn write(&self, request: &DatasetWrite, rows: Table) -> Answer {
        let sites = rows.names().filter(|name| rows.vectors(name).is_ok()).map(str::to_owned).collect();
        plain(&self.store(format!("dataset:{}", request.name), rows.to_batch()?, sites, Vec::new()))
    }

    fn train(&self, request: &Train) -> Answer {
        let rows = self.world.rows(&request.data)?;
        let recipe = &request.recipe;
        let per_step = (recipe.batch_rows * recipe.accumulate).max(1);
        let steps = recipe.steps.unwrap_or_else(|| recipe.epochs.unwrap_or(1) * rows.len().div_ceil(per_step));
        let digest = digest(request)?;
        let loss = |step: usize| 4.0 / (1.0 + step as f64) + 0.1 * uniform(&[&digest], step as u64);
        let reply = TrainReply {
            weights: format!("adapter:{digest}"),
            first_loss: loss(0),
            last_loss: loss(steps.saturating_sub(1)),
            tokens: (steps * per_step.min(rows.len())) as u64 * u64::from(TOKENS),
            checkpoints: Vec::new(),
        };
        let metrics = Table::new().with_u64("step", 0..steps as u64).with_f64("loss", (0..steps).map(loss));
        Ok((serde_json::to_string(&reply)?, Some(metrics.into_reader()?)))
    }

    fn judge(&self, answers: &Table) -> Answer {
        let (questions, texts) = (answers.text("question")?, answers.text("answer")?);
        let scores: Vec<[f64; 2]> =
            questions.iter().zip(&texts).map(|(question, answer)| (self.world.scores)(question, answer)).collect();
        let scored = answers.select(&["row_id", "sample"])?;
        table(
            scored
                .with_f64("alignment", scores.iter().map(|score| score[0]))
                .with_f64("coherence", scores.iter().map(|score| score[1])),
        )
    }

    fn open_table(&self, request: &TableOpen) -> Answer {
        let name = &request.table;
        let mut parts = Vec::new();
        for ((cell, table), rows) in &self.state().tables {
            if let (Some(cell), true) = (cell, table == name) {
                let labelled = rows.clone().with_text("cell", (0..rows.rows()).map(|_| cell));
                let batch = labelled.to_batch()?;
                let fields: Vec<Field> =
                    batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
                parts.push(RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())?);
            }
        }
        let first = parts.first().ok_or_else(|| Error::Plugin(format!("no cell emitted a table `{name}`")))?;
        let all = concat_batches(&first.schema(), &parts)
            .map_err(|error| Error::Plugin(format!("the cells' tables `{name}` have different columns: {error}")))?;
        table(all.into())
    }
}

impl Host for FakeHost {
    fn log(&self, _: LogRecord<'_>) {}

    fn progress(&self, _: u64, _: u64, _: &str) -> bool {
        let mut state = self.state();
        state.progress += 1;
        self.cancel_after.is_none_or(|calls| state.progress <= calls)
    }

    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        *self.state().calls.entry(op.to_owned()).or_default() += 1;
        // Tables, figures and reports need no listing: every host has them.
        let always = [op::TABLE_OPEN, op::FIGURE, op::REPORT, op::ECHO].contains(&op);
        if !always && !self.operations.contains(&op) {
            return Err(Failure::plugin(format!("operation `{op}` is not listed in `OPERATIONS`")));
        }
        Ok(self.answer(op, arguments, input)?)
    }

    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure> {
        let rows = Stream::new(rows).table()?;
        let mut state = self.state();
        let key = (state.cell.clone(), table.to_owned());
        if state.tables.insert(key, rows).is_some() {
            return Err(Failure::plugin(format!("table `{table}` was emitted twice")));
        }
        Ok(())
    }
}

pub(super) fn plain(reply: &impl Serialize) -> Answer {
    Ok((serde_json::to_string(reply)?, None))
}

pub(super) fn table(table: Table) -> Answer {
    Ok(("{}".to_owned(), Some(table.into_reader()?)))
}

fn rows_of(op: &str, input: Option<Reader>) -> Result<Table> {
    let input = input.ok_or_else(|| Error::Plugin(format!("operation `{op}` needs a stream")))?;
    Stream::new(input).table()
}

/// A name that depends on the request.
pub(super) fn digest(request: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(request)?;
    Ok(format!("{:012x}", (uniform(&[&text], 0) * (1u64 << 48) as f64) as u64))
}
