//! Completions and scores as tables, and the activations of completions.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use emhost_abi::wire::{CompletionRow, ContinuationRow, Row};

use super::acts::{batch, schema, table, token_lists};
use crate::model::Result;
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::rows::question;
use crate::run::RunError;
use crate::sample::Completion;
use crate::store::DatasetWriter;

/// A completion as it is shown.
pub fn shown(organism: &Organism, rows: &[Row], completion: &Completion, steered: bool) -> Result<CompletionRow> {
    let spoken = &completion.tokens[..completion.tokens.len() - usize::from(completion.stopped)];
    Ok(CompletionRow {
        row_id: rows[completion.prompt].row_id.clone(),
        strength: steered.then_some(completion.strength),
        sample: completion.sample as u32,
        question: question(&rows[completion.prompt]),
        text: organism.text.decode(spoken)?,
        token_ids: completion.tokens.clone(),
        finish_reason: if completion.stopped { "stop" } else { "length" }.to_owned(),
    })
}

/// A column of text from each row.
fn text<T>(rows: &[T], f: impl Fn(&T) -> &str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(f)))
}

fn strengths(strengths: impl Iterator<Item = Option<f64>>) -> Option<(&'static str, DataType, ArrayRef)> {
    let known: Option<Vec<f64>> = strengths.collect();
    known.map(|known| ("strength", DataType::Float64, Arc::new(Float64Array::from(known)) as ArrayRef))
}

/// `row_id, [strength], sample, question, text, token_ids, finish_reason`.
pub fn completion_table(rows: &[CompletionRow], steered: bool) -> Result<RecordBatch, RunError> {
    let (list, tokens) = token_lists(rows.iter().map(|row| row.token_ids.as_slice()));
    let samples = UInt32Array::from_iter_values(rows.iter().map(|row| row.sample));
    let mut columns = vec![("row_id", DataType::Utf8, text(rows, |row| &row.row_id))];
    columns.extend(strengths(rows.iter().map(|row| row.strength)).filter(|_| steered));
    columns.extend([
        ("sample", DataType::UInt32, Arc::new(samples) as ArrayRef),
        ("question", DataType::Utf8, text(rows, |row| &row.question)),
        ("text", DataType::Utf8, text(rows, |row| &row.text)),
        ("token_ids", list, tokens),
        ("finish_reason", DataType::Utf8, text(rows, |row| &row.finish_reason)),
    ]);
    table(columns)
}

/// `row_id, [strength], continuation, text, token_ids, logprobs, total, mean`.
pub fn score_table(rows: &[ContinuationRow], steered: bool, lens: bool) -> Result<RecordBatch, RunError> {
    use arrow::array::{Float64Builder, ListBuilder};
    let (list, tokens) = token_lists(rows.iter().map(|row| row.token_ids.as_slice()));
    let item = Arc::new(Field::new("item", DataType::Float64, false));
    let lists = |f: &dyn Fn(&ContinuationRow) -> &[f64]| -> ArrayRef {
        let mut lists = ListBuilder::new(Float64Builder::new()).with_field(item.clone());
        for row in rows {
            lists.values().append_slice(f(row));
            lists.append(true);
        }
        Arc::new(lists.finish())
    };
    let number = |f: &dyn Fn(&ContinuationRow) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(f)))
    };
    let numbers = UInt32Array::from_iter_values(rows.iter().map(|row| row.continuation));
    let mut columns = vec![("row_id", DataType::Utf8, text(rows, |row| &row.row_id))];
    columns.extend(strengths(rows.iter().map(|row| row.strength)).filter(|_| steered));
    columns.extend([
        ("continuation", DataType::UInt32, Arc::new(numbers) as ArrayRef),
        ("text", DataType::Utf8, text(rows, |row| &row.text)),
        ("token_ids", list, tokens),
        ("logprobs", DataType::List(item.clone()), lists(&|row| &row.logprobs)),
        ("total", DataType::Float64, number(&|row| row.total)),
        ("mean", DataType::Float64, number(&|row| row.mean)),
    ]);
    if lens {
        columns.push(("lens", DataType::List(item.clone()), lists(&|row| &row.lens)));
    }
    table(columns)
}

/// Collects the activations of completions and writes them as they fill a batch.
pub struct Traces<'a> {
    writer: &'a mut DatasetWriter,
    schema: SchemaRef,
    steered: bool,
    row_ids: Vec<String>,
    strengths: Vec<f64>,
    samples: Vec<u32>,
    positions: Vec<u32>,
    tokens: Vec<u32>,
    values: Vec<Vec<f32>>,
}

/// Vectors collected before they are written.
const VECTORS: usize = 2048;

impl<'a> Traces<'a> {
    /// `row_id, [strength], sample, pos, token_id` and one column per site.
    pub fn new(writer: &'a mut DatasetWriter, organism: &Organism, sites: &[Site], steered: bool) -> Self {
        let label = |name: &str, kind| Field::new(name, kind, false);
        let mut labels = vec![label("row_id", DataType::Utf8)];
        if steered {
            labels.push(label("strength", DataType::Float64));
        }
        labels.extend(["sample", "pos", "token_id"].map(|name| label(name, DataType::UInt32)));
        Self {
            writer,
            schema: schema(labels, organism, sites),
            steered,
            row_ids: Vec::new(),
            strengths: Vec::new(),
            samples: Vec::new(),
            positions: Vec::new(),
            tokens: Vec::new(),
            values: vec![Vec::new(); sites.len()],
        }
    }

    /// Adds the vectors of one completion: the prompt's last token, then each new token.
    pub fn add(
        &mut self,
        row_id: &str,
        prompt: &[u32],
        completion: &Completion,
        values: Vec<Vec<f32>>,
    ) -> Result<(), RunError> {
        let (Some(last), first) = (prompt.last(), prompt.len() - 1) else { return Ok(()) };
        for (at, token) in std::iter::once(last).chain(&completion.tokens).enumerate() {
            self.row_ids.push(row_id.to_owned());
            self.strengths.push(completion.strength);
            self.samples.push(completion.sample as u32);
            self.positions.push((first + at) as u32);
            self.tokens.push(*token);
        }
        self.values.iter_mut().zip(values).for_each(|(all, more)| all.extend(more));
        if self.tokens.len() >= VECTORS { self.flush() } else { Ok(()) }
    }

    /// Writes what has been collected.
    pub fn flush(&mut self) -> Result<(), RunError> {
        let numbers = |values: &mut Vec<u32>| -> ArrayRef { Arc::new(UInt32Array::from(std::mem::take(values))) };
        let mut labels: Vec<ArrayRef> = vec![Arc::new(StringArray::from(std::mem::take(&mut self.row_ids)))];
        let strengths = std::mem::take(&mut self.strengths);
        if self.steered {
            labels.push(Arc::new(Float64Array::from(strengths)));
        }
        labels.extend([&mut self.samples, &mut self.positions, &mut self.tokens].map(numbers));
        let values = self.values.iter_mut().map(std::mem::take).collect();
        Ok(self.writer.write_acts(&batch(&self.schema, labels, values)?)?)
    }
}
