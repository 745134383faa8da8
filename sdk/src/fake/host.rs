//! The host's operations over a [`World`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, kernels::cmp::eq};
use arrow::datatypes::UInt32Type;
use emhost_abi::wire::{
    DatasetOpen, DatasetReply, DatasetWrite, Figure, Forward, Organism, Pooling, Positions, Reply, Report, Row,
    RowsRead, Sample, TableOpen, Train, TrainReply, op,
};
use emhost_abi::{Failure, Host, LogRecord, Reader};
use serde::Serialize;
use serde_json::from_str;
use std::sync::Arc;

use super::data::{ActivationAt, CompletionAt, World, question, uniform};
use super::sites;
use crate::{Error, IntoReader, Result, Stream, Table};

/// Tokens of every fake input.
const TOKENS: u32 = 5;

pub(super) struct FakeHost {
    world: World,
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

type Answer = Result<(String, Option<Reader>)>;

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
            op::TRAIN => self.train(&from_str(json)?),
            op::JUDGE => self.judge(&rows_of(op, input)?),
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

    fn forward(&self, request: &Forward) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let sites = sites::select(&request.sites, self.world.model.blocks)?;
        let mut at: Vec<(&Row, String, u32)> = Vec::new();
        for view in &request.views {
            let one =
                view.pooling == Pooling::Mean || matches!(view.positions, Positions::Last | Positions::LastPrompt);
            let positions = if one { 0..1 } else { 0..TOKENS };
            at.extend(rows.iter().flat_map(|row| positions.clone().map(move |pos| (row, view.name(), pos))));
        }
        // A mean over tokens has no position.
        let pos: UInt32Array = at.iter().map(|(_, view, pos)| (!view.ends_with(".mean")).then_some(*pos)).collect();
        let mut columns = Table::new()
            .with_text("row_id", at.iter().map(|(row, ..)| &row.row_id))
            .with_text("view", at.iter().map(|(_, view, _)| view))
            .with_column("pos", Arc::new(pos));
        for site in &sites {
            let vectors = at.iter().map(|(row, view, pos)| {
                let (row_id, topic) = (row.row_id.as_str(), row.topic.as_deref());
                self.world.activation(&ActivationAt {
                    organism: &request.organism,
                    row_id,
                    topic,
                    site,
                    view,
                    pos: *pos,
                })
            });
            let vectors: Vec<Vec<f32>> = vectors.collect();
            columns = columns.with_vectors(site, vectors.first().map_or(0, Vec::len), vectors.concat())?;
        }
        self.store(format!("dataset:{}", digest(request)?), columns.to_batch()?, sites)
    }

    fn store(&self, dataset: String, batch: RecordBatch, sites: Vec<String>) -> Answer {
        let reply =
            DatasetReply { dataset: dataset.clone(), rows: batch.num_rows() as u64, sites, digest: dataset.clone() };
        self.state().datasets.insert(dataset, batch);
        plain(&reply)
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
        self.store(format!("dataset:{}", request.name), rows.to_batch()?, sites)
    }

    fn sample(&self, request: &Sample) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let n = u32::try_from(request.n).map_err(|_| Error::Input(format!("n = {} is too large", request.n)))?;
        let at: Vec<(&Row, u32)> = rows.iter().flat_map(|row| (0..n).map(move |sample| (row, sample))).collect();
        let questions: Vec<String> = at.iter().map(|(row, _)| question(row)).collect();
        let texts: Vec<String> = at
            .iter()
            .zip(&questions)
            .map(|(&(row, sample), question)| {
                let organism = &request.organism;
                (self.world.completions)(&CompletionAt { organism, row_id: &row.row_id, question, sample })
            })
            .collect();
        let tokens = texts.iter().map(|text| Some(text.bytes().map(|byte| Some(u32::from(byte)))));
        table(
            Table::new()
                .with_text("row_id", at.iter().map(|(row, _)| &row.row_id))
                .with_column("sample", Arc::new(UInt32Array::from_iter_values(at.iter().map(|&(_, sample)| sample))))
                .with_text("question", questions)
                .with_text("text", &texts)
                .with_column(
                    "token_ids",
                    Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(tokens)) as ArrayRef,
                )
                .with_text("finish_reason", at.iter().map(|_| "stop")),
        )
    }

    fn train(&self, request: &Train) -> Answer {
        let rows = self.world.rows(&request.data)?;
        let steps = request.recipe.steps;
        let digest = digest(request)?;
        let loss = |step: usize| 4.0 / (1.0 + step as f64) + 0.1 * uniform(&[&digest], step as u64);
        let reply = TrainReply {
            weights: format!("adapter:{digest}"),
            first_loss: loss(0),
            last_loss: loss(steps.saturating_sub(1)),
            tokens: (steps * request.recipe.batch_rows.min(rows.len())) as u64 * u64::from(TOKENS),
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
                parts.push(labelled.to_batch()?);
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

fn plain(reply: &impl Serialize) -> Answer {
    Ok((serde_json::to_string(reply)?, None))
}

fn table(table: Table) -> Answer {
    Ok(("{}".to_owned(), Some(table.into_reader()?)))
}

fn rows_of(op: &str, input: Option<Reader>) -> Result<Table> {
    let input = input.ok_or_else(|| Error::Plugin(format!("operation `{op}` needs a stream")))?;
    Stream::new(input).table()
}

/// A name that depends on the request.
fn digest(request: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(request)?;
    Ok(format!("{:012x}", (uniform(&[&text], 0) * (1u64 << 48) as f64) as u64))
}
