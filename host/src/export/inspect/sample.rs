//! Rows of a table of answers as samples.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use emhost_abi::wire::AnswersNote;
use serde_json::{Map, Value as Json, json};

use crate::export::error::{ExportError, Result};
use crate::export::run::TableExport;
use crate::export::value::{Value, is_text, json_number, not_finite, value};

/// Reads a table as samples.
#[derive(Debug)]
pub struct Samples<'a> {
    table: &'a TableExport,
    note: &'a AnswersNote,
    model: &'a str,
    question: usize,
    answer: usize,
    conditions: Vec<usize>,
    scores: Vec<usize>,
    row_id: Option<usize>,
    finish: Option<usize>,
}

/// One answer.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Says question and conditions.
    pub id: String,
    /// Counts the answers with this id, from 1.
    pub epoch: u64,
    /// For each score column its value, or why there is none.
    pub scores: Vec<std::result::Result<Json, Missing>>,
    names: &'a [String],
    model: &'a str,
    question: Option<&'a str>,
    answer: Option<&'a str>,
    stop: &'static str,
    metadata: Map<String, Json>,
}

/// A score that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The table has a null.
    Null,
    /// The table has a number that is not finite, which no score can be.
    NotFinite(&'static str),
}

impl<'a> Samples<'a> {
    /// Finds the columns.
    pub fn new(note: &'a AnswersNote, table: &'a TableExport, model: &'a str) -> Result<Self> {
        let schema = table.read()?.0;
        let find = |name: &String| column(&schema, table, name);
        let all = |names: &[String]| names.iter().map(find).collect::<Result<Vec<usize>>>();
        let text = |name: &String| {
            let at = find(name)?;
            if is_text(schema.field(at).data_type()) {
                return Ok(at);
            }
            Err(ExportError::input(format!("column `{name}` of table `{}`", table.shown()), "it is not text"))
        };
        Ok(Self {
            table,
            note,
            model,
            question: text(&note.question)?,
            answer: text(&note.answer)?,
            conditions: all(&note.conditions)?,
            scores: all(&note.scores)?,
            row_id: schema.index_of("row_id").ok(),
            finish: schema.index_of("finish_reason").ok(),
        })
    }

    /// Reads the table from its first row; gives the number of rows.
    pub fn read(&mut self, mut visit: impl FnMut(&Sample<'_>) -> Result<()>) -> Result<u64> {
        let mut rows = 0;
        let mut epochs: HashMap<[u8; 8], u64> = HashMap::new();
        for batch in self.table.read()?.1 {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                visit(&self.sample(&batch, row, rows, &mut epochs)?)?;
                rows += 1;
            }
        }
        Ok(rows)
    }

    fn sample<'b>(
        &'b self,
        batch: &'b RecordBatch,
        row: usize,
        number: u64,
        epochs: &mut HashMap<[u8; 8], u64>,
    ) -> Result<Sample<'b>> {
        let at = |column: usize| value(batch.column(column), row);
        let question = said(&at(self.question)?);
        let mut metadata = Map::new();
        let mut conditions = Map::new();
        for (name, &column) in self.note.conditions.iter().zip(&self.conditions) {
            conditions.insert(name.clone(), exact(&at(column)?)?);
        }
        let key = key(question, &conditions);
        let epoch = *epochs.entry(key).and_modify(|count| *count += 1).or_insert(1);
        metadata.insert("conditions".to_owned(), conditions.into());
        metadata.insert("row".to_owned(), number.into());
        if let Some(column) = self.row_id {
            metadata.insert("row_id".to_owned(), exact(&at(column)?)?);
        }
        let mut scores = Vec::with_capacity(self.scores.len());
        let mut missing = Map::new();
        for (name, &column) in self.note.scores.iter().zip(&self.scores) {
            let score = score(&at(column)?)?;
            if let Err(why) = score {
                missing.insert(name.clone(), why.json());
            }
            scores.push(score);
        }
        if !missing.is_empty() {
            metadata.insert("missing_scores".to_owned(), missing.into());
        }
        let answer = said(&at(self.answer)?);
        let absent = [("question", question.is_none()), ("answer", answer.is_none())];
        let absent: Vec<&str> = absent.iter().filter(|(_, absent)| *absent).map(|(name, _)| *name).collect();
        if !absent.is_empty() {
            metadata.insert("missing".to_owned(), absent.into());
        }
        let stop = match self.finish.map(at).transpose()? {
            Some(Value::Text("stop")) => "stop",
            Some(Value::Text("length")) => "max_tokens",
            _ => "unknown",
        };
        let id = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Sample { id, epoch, scores, names: &self.note.scores, model: self.model, question, answer, stop, metadata })
    }
}

impl Sample<'_> {
    /// As `EvalSample`.
    pub fn json(&self) -> Json {
        let input = self.question.unwrap_or_default();
        let mut messages = vec![json!({ "role": "user", "content": input, "source": "input" })];
        let mut choices = Vec::new();
        if let Some(answer) = self.answer {
            let message = json!({ "role": "assistant", "content": answer, "source": "generate", "model": self.model });
            messages.push(message.clone());
            choices.push(json!({ "message": message, "stop_reason": self.stop }));
        }
        let known = self.names.iter().zip(&self.scores);
        let known = known.filter_map(|(name, score)| Some((name.clone(), json!({ "value": score.as_ref().ok()? }))));
        json!({
            "id": self.id,
            "epoch": self.epoch,
            "input": input,
            "choices": null,
            "target": "",
            "messages": messages,
            "output": { "model": self.model, "choices": choices, "completion": self.answer.unwrap_or_default() },
            "scores": known.collect::<Map<String, Json>>(),
            "metadata": self.metadata,
            "store": {},
            "events": [],
            "model_usage": {},
            "attachments": {},
        })
    }
}

impl Missing {
    fn json(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::NotFinite(name) => name.into(),
        }
    }
}

fn column(schema: &Schema, table: &TableExport, name: &str) -> Result<usize> {
    schema.index_of(name).map_err(|_| {
        let has = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<&str>>().join(", ");
        ExportError::input(format!("table `{}`", table.shown()), format!("it has no column `{name}`, only {has}"))
    })
}

fn said<'a>(value: &Value<'a>) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Numbers as they are, not as the shortest that a 32-bit column takes for the same.
fn exact(value: &Value<'_>) -> Result<Json> {
    match value {
        Value::F32(x) => Ok(json_number(f64::from(*x))),
        other => other.json(),
    }
}

fn score(value: &Value<'_>) -> Result<std::result::Result<Json, Missing>> {
    Ok(match value {
        Value::Null => Err(Missing::Null),
        Value::F32(_) | Value::F64(_) => {
            let x = value.number().unwrap_or(f64::NAN);
            if x.is_finite() { Ok(Json::from(x)) } else { Err(Missing::NotFinite(not_finite(x))) }
        }
        other => Ok(other.json()?),
    })
}

/// The same in every run that asks the same question under the same conditions.
fn key(question: Option<&str>, conditions: &Map<String, Json>) -> [u8; 8] {
    let said = json!([question, conditions]).to_string();
    let mut key = [0; 8];
    key.copy_from_slice(&blake3::hash(said.as_bytes()).as_bytes()[..8]);
    key
}
