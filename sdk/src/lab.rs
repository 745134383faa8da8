//! The host, as an author sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use emhost_abi::wire::{
    AdapterEdit, AdapterMerge, AdapterOpen, AdapterReply, DatasetOpen, DatasetReply, DatasetWrite, DirectionOpen,
    DirectionReply, DirectionWrite, Figure, Firing, Forward, Gradients, Intervention, Judge, ModelInfo, ModelReply,
    Organism, Reply, Report, Rows, RowsRead, Sample, SampleReply, Score, ScoreReply, Split, TableOpen, Train,
    TrainReply, op,
};
use emhost_abi::{Host, Reader};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, IntoReader, Result, Stream, Table};

/// What an experiment can ask of its host: one method per operation.
///
/// Every method fails with the host's own kind of error, so `?` keeps the exit status right.
#[derive(Clone)]
pub struct Lab {
    host: Arc<dyn Host>,
}

impl Lab {
    pub(crate) fn new(host: Arc<dyn Host>) -> Self {
        Self { host }
    }

    /// The shape and identity of an organism.
    ///
    /// # Errors
    ///
    /// The model cannot be found or loaded.
    pub fn model_info(&self, organism: &Organism) -> Result<ModelInfo> {
        self.ask(op::MODEL_INFO, organism)
    }

    /// A question bank or a training set: `row_id, topic, messages, prompt`, messages as JSON.
    ///
    /// # Errors
    ///
    /// The source cannot be read.
    pub fn rows(&self, rows: &Rows) -> Result<Table> {
        self.read(op::ROWS_READ, &RowsRead { rows: rows.clone() }, None)?.table()
    }

    /// Runs an organism over rows and stores the activations at the named sites.
    ///
    /// # Errors
    ///
    /// The model fails, a pattern names no site, or the disk is full.
    pub fn forward(&self, request: &Forward) -> Result<DatasetReply> {
        let reply: DatasetReply = self.ask(op::FORWARD, request)?;
        obeyed(op::FORWARD, &request.interventions, &reply.firings)?;
        Ok(reply)
    }

    /// Samples completions: `row_id, sample, question, text, token_ids, finish_reason`, with `strength` in front of
    /// `sample` where there are interventions.
    ///
    /// # Errors
    ///
    /// The model fails, or an intervention does not fit it.
    pub fn sample(&self, request: &Sample) -> Result<Table> {
        Ok(self.sample_with_reply(request)?.1)
    }

    /// Samples completions; the reply says how often interventions fired and where activations are.
    ///
    /// # Errors
    ///
    /// As [`sample`](Self::sample).
    pub fn sample_with_reply(&self, request: &Sample) -> Result<(SampleReply, Table)> {
        let (reply, completions) = self.call::<SampleReply>(op::SAMPLE, request, None)?;
        obeyed(op::SAMPLE, &request.interventions, &reply.firings)?;
        if !request.sites.is_empty() && reply.activations.is_none() {
            return Err(older(op::SAMPLE, "sites"));
        }
        Ok((reply, rows(op::SAMPLE, completions)?.table()?))
    }

    /// Log-probabilities: `row_id, continuation, text, token_ids, logprobs, total, mean`, with `strength` in front of
    /// `continuation` where there are interventions, and `lens` at the end where it is asked for.
    ///
    /// # Errors
    ///
    /// The model fails, a row has nothing to score, or an intervention does not fit.
    pub fn score(&self, request: &Score) -> Result<Table> {
        let (reply, scores) = self.call::<ScoreReply>(op::SCORE, request, None)?;
        obeyed(op::SCORE, &request.interventions, &reply.firings)?;
        rows(op::SCORE, scores)?.table()
    }

    /// Fine-tunes an organism; the table holds the metrics of each step.
    ///
    /// # Errors
    ///
    /// The model fails, or the recipe does not fit it.
    pub fn train(&self, request: &Train) -> Result<(TrainReply, Table)> {
        let (reply, metrics) = self.call(op::TRAIN, request, None)?;
        let metrics = metrics.map_or_else(|| Ok(Table::new()), Stream::table)?;
        Ok((reply, metrics))
    }

    /// Matrices of an adapter, one row per projection: `block, module, rank, scale, norm, a, b`.
    ///
    /// # Errors
    ///
    /// The adapter cannot be read, or does not fit the model.
    pub fn adapter(&self, request: &AdapterOpen) -> Result<Table> {
        self.read(op::ADAPTER_OPEN, request, None)?.table()
    }

    /// A new adapter from another one.
    ///
    /// # Errors
    ///
    /// The adapter cannot be read, or the change does not fit it.
    pub fn edit_adapter(&self, request: &AdapterEdit) -> Result<AdapterReply> {
        self.ask(op::ADAPTER_EDIT, request)
    }

    /// A model with the organism's adapters in its weights.
    ///
    /// # Errors
    ///
    /// The organism cannot be read, an adapter does not fit the model, or the disk is full.
    pub fn merge_adapters(&self, request: &AdapterMerge) -> Result<ModelReply> {
        self.ask(op::ADAPTER_MERGE, request)
    }

    /// How an organism differs from another one at each token: `row_id, pos, token_id, token, answer, kl, gradient`.
    ///
    /// # Errors
    ///
    /// A model fails, a row has no answer, or the two do not have the same vocabulary.
    pub fn gradients(&self, request: &Gradients) -> Result<Table> {
        self.read(op::GRADIENTS, request, None)?.table()
    }

    /// Stores directions, `name, site, provenance, vector`; an intervention takes one as the reply's text, `#` and its
    /// name.
    ///
    /// # Errors
    ///
    /// The columns are not those, a name is used twice, or the disk is full.
    pub fn write_directions(&self, name: &str, directions: impl IntoReader) -> Result<DirectionReply> {
        let request = DirectionWrite { name: name.to_owned() };
        Ok(self.call(op::DIRECTION_WRITE, &request, Some(directions.into_reader()?))?.0)
    }

    /// Reads directions, those that were stored and those of other programs: `name, site, provenance, vector`.
    ///
    /// # Errors
    ///
    /// There is no such file or name, or the directions differ in width.
    pub fn directions(&self, vector: &str) -> Result<Table> {
        self.read(op::DIRECTION_OPEN, &DirectionOpen { vector: vector.to_owned() }, None)?.table()
    }

    /// Scores answers: `row_id, sample, alignment, coherence`.
    ///
    /// Takes what [`sample`](Self::sample) gave, or a table of `row_id, sample, question, answer`.
    ///
    /// # Errors
    ///
    /// The judge cannot be asked.
    pub fn judge(&self, judge: &str, answers: &Table) -> Result<Table> {
        self.judge_by(&Judge { judge: judge.to_owned(), ..Judge::default() }, answers)
    }

    /// The same, with rubrics and a choice of metrics.
    ///
    /// # Errors
    ///
    /// The judge cannot be asked, or a rubric is missing.
    pub fn judge_by(&self, judge: &Judge, answers: &Table) -> Result<Table> {
        let answer = if answers.names().any(|name| name == "answer") { "answer" } else { "text" };
        let input = answers
            .select(&["row_id", "sample", "question"])?
            .with_column("answer", Arc::clone(answers.column(answer)?))
            .into_reader()?;
        self.read(op::JUDGE, judge, Some(input))?.table()
    }

    /// Opens a dataset. Only the named columns are read from disk; none means all.
    ///
    /// `filter` keeps the rows whose text columns equal the values.
    ///
    /// # Errors
    ///
    /// There is no such dataset or column, or a file is damaged.
    pub fn open_dataset(&self, dataset: &str, columns: &[&str], filter: &[(&str, &str)]) -> Result<Stream> {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        let filter: BTreeMap<_, _> = filter.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.read(op::DATASET_OPEN, &DatasetOpen { dataset: dataset.to_owned(), columns, filter }, None)
    }

    /// Writes activations as a dataset of the run; `about` goes on its card, `prompts` become its `rows` part.
    ///
    /// # Errors
    ///
    /// The disk is full, or the columns are not a dataset's.
    pub fn write_dataset(
        &self,
        name: &str,
        about: &str,
        prompts: Vec<Split>,
        activations: impl IntoReader,
    ) -> Result<DatasetReply> {
        let request = DatasetWrite { name: name.to_owned(), about: about.to_owned(), prompts };
        Ok(self.call(op::DATASET_WRITE, &request, Some(activations.into_reader()?))?.0)
    }

    /// Emits a table of the cell, or in `summarize` of the run.
    ///
    /// # Errors
    ///
    /// The disk is full, or the name is taken.
    pub fn emit(&self, table: &str, rows: impl IntoReader) -> Result<()> {
        Ok(self.host.emit(table, rows.into_reader()?)?)
    }

    /// Opens a table that the run's cells emitted, all of them together, with a column `cell`.
    ///
    /// # Errors
    ///
    /// No cell emitted it.
    pub fn open_table(&self, table: &str) -> Result<Stream> {
        self.read(op::TABLE_OPEN, &TableOpen { table: table.to_owned() }, None)
    }

    /// Adds a figure to the report.
    ///
    /// # Errors
    ///
    /// The figure cannot be drawn.
    pub fn figure(&self, figure: &Figure) -> Result<()> {
        self.ask::<Reply>(op::FIGURE, figure).map(drop)
    }

    /// Says what the result is.
    ///
    /// # Errors
    ///
    /// The report names a table that does not exist.
    pub fn report(&self, report: &Report) -> Result<()> {
        self.ask::<Reply>(op::REPORT, report).map(drop)
    }

    /// Shows how far the cell is. Call it often: it is also how a run is stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] once the user stopped the run: pass it on.
    pub fn progress(&self, done: u64, total: u64, message: &str) -> Result<()> {
        if self.host.progress(done, total, message) { Ok(()) } else { Err(Error::Cancelled) }
    }

    /// Calls an operation that this SDK has no method for.
    ///
    /// # Errors
    ///
    /// The operation's own, or its reply is not an `A`.
    pub fn call<A: DeserializeOwned>(
        &self,
        op: &str,
        request: &impl Serialize,
        input: Option<Reader>,
    ) -> Result<(A, Option<Stream>)> {
        let arguments = serde_json::to_string(request)?;
        let (json, stream) = self.host.call(op, &arguments, input)?;
        let reply = serde_json::from_str(&json)
            .map_err(|error| Error::Plugin(format!("the reply of `{op}` is not what this SDK expects: {error}")))?;
        Ok((reply, stream.map(Stream::new)))
    }

    fn ask<A: DeserializeOwned>(&self, op: &str, request: &impl Serialize) -> Result<A> {
        Ok(self.call(op, request, None)?.0)
    }

    fn read(&self, op: &str, request: &impl Serialize, input: Option<Reader>) -> Result<Stream> {
        let (_, stream) = self.call::<serde::de::IgnoredAny>(op, request, input)?;
        rows(op, stream)
    }
}

fn rows(op: &str, stream: Option<Stream>) -> Result<Stream> {
    stream.ok_or_else(|| Error::Plugin(format!("the host's `{op}` gave no rows")))
}

/// A host that does not know interventions would leave them out without a word; one that does counts them.
fn obeyed(op: &str, interventions: &[Intervention], firings: &[Firing]) -> Result<()> {
    if !interventions.is_empty() && firings.is_empty() { Err(older(op, "interventions")) } else { Ok(()) }
}

fn older(op: &str, what: &str) -> Error {
    Error::Plugin(format!("the host's `{op}` does not know {what}; update emhost"))
}
