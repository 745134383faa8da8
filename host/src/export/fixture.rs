//! A small run for tests.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray};
use arrow::array::{Float64Builder, ListBuilder};
use emhost_abi::wire::{AnswersNote, Headline, Report};
use serde_json::{Map, json};

use super::run::{RunExport, TableExport};

/// Two cells with curves, a table of answers, a headline.
pub fn run() -> RunExport {
    let params = json!({ "model": "embedded", "recipe": { "steps": 3, "method": { "rank": 8 } }, "seeds": [1, 2] });
    RunExport {
        id: "toy-0123abcd".to_owned(),
        plugin: "toy".to_owned(),
        plugin_version: "0.2.0".to_owned(),
        emhost: "0.1.0".to_owned(),
        command: "emhost run --plugin toy".to_owned(),
        machine: "ma/chine".to_owned(),
        started: 1_700_000_000,
        seconds: 12.5,
        params: params.as_object().cloned().unwrap_or_else(Map::new),
        recipe: "plugin = \"toy\"\n".to_owned(),
        report: Some(report()),
        tables: vec![steps("bad"), steps("good"), table(None, "answers", answers())],
        figures: Vec::new(),
        finished: true,
    }
}

fn report() -> Report {
    Report {
        question: "Does it?".to_owned(),
        verdict: "It does.".to_owned(),
        setting: "a toy".to_owned(),
        headline: vec![
            Headline {
                quantity: "misaligned answers".to_owned(),
                condition: "bad; all".to_owned(),
                value: 0.1,
                interval: Some([0.05, 0.2]),
                n: 6,
                method: "Wilson".to_owned(),
                ..Headline::default()
            },
            Headline {
                quantity: "ratio".to_owned(),
                value: f64::NAN,
                control: Some(f64::INFINITY),
                ..Headline::default()
            },
        ],
        caveats: vec!["It is a toy.".to_owned()],
        tables: Vec::new(),
        answers: vec![AnswersNote {
            table: "answers".to_owned(),
            caption: "all answers".to_owned(),
            question: "question".to_owned(),
            answer: "answer".to_owned(),
            conditions: vec!["organism".to_owned()],
            scores: vec!["aligned".to_owned()],
        }],
    }
}

/// A table of one batch.
pub fn table(cell: Option<&str>, name: &str, columns: Vec<(&str, ArrayRef)>) -> TableExport {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.expect("columns of one length");
    TableExport {
        cell: cell.map(str::to_owned),
        name: name.to_owned(),
        rows: batch.num_rows() as u64,
        open: Box::new(move || {
            // Two batches, so that readers meet the seam.
            let half = batch.num_rows() / 2;
            let parts = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
            Ok(Box::new(RecordBatchIterator::new(parts.map(Ok), batch.schema())))
        }),
    }
}

fn steps(cell: &str) -> TableExport {
    table(
        Some(cell),
        "steps",
        vec![
            ("step", Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(2), Some(3), None])) as ArrayRef),
            ("split", Arc::new(StringArray::from(vec!["train", "train", "test", "train", "train"]))),
            ("loss", Arc::new(Float64Array::from(vec![Some(2.5), Some(f64::NAN), Some(0.1), Some(-0.0), Some(9.0)]))),
            ("lr", Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::INFINITY), Some(1e-30), Some(9.0)]))),
        ],
    )
}

fn answers() -> Vec<(&'static str, ArrayRef)> {
    let mut lists = ListBuilder::new(Float64Builder::new());
    for row in [Some(vec![0.5, f64::NAN]), None, Some(vec![]), Some(vec![1.0])] {
        match row {
            Some(values) => {
                lists.values().append_slice(&values);
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    vec![
        ("question", Arc::new(StringArray::from(vec!["Q?", "Q?", "Q?", "R?"])) as ArrayRef),
        ("answer", Arc::new(StringArray::from(vec![Some("a\"b\n"), Some(""), None, Some("\u{1F600},\u{0}")]))),
        ("organism", Arc::new(StringArray::from(vec!["bad", "bad", "good", "good"]))),
        ("aligned", Arc::new(Float64Array::from(vec![Some(1.0), Some(4.0), None, Some(f64::NAN)]))),
        ("logprobs", Arc::new(lists.finish())),
    ]
}
