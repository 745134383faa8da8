//! Divergence and gradients by token: the operation `gradients`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::DataType;
use emhost_abi::wire::{GradientRow, Row};
use serde_json::{Value, json};

use super::acts::table;
use crate::model::organism::Organism;
use crate::model::parallel::{in_order, lanes};
use crate::model::text::Encoded;
use crate::model::{ModelError, numerics};
use crate::run::RunError;
use crate::train::divergence;

/// Two organisms and conversations.
pub struct DivergenceTask<'a> {
    organism: &'a Organism,
    reference: &'a Organism,
    rows: Vec<(&'a Row, Encoded)>,
}

impl<'a> DivergenceTask<'a> {
    /// Tokenises the rows.
    pub fn new(organism: &'a Organism, reference: &'a Organism, rows: &'a [Row]) -> Result<Self, RunError> {
        let (ours, theirs) = (organism.network.vocabulary(), reference.network.vocabulary());
        if ours != theirs {
            let problem = format!("the organism has {ours} tokens, the reference {theirs}: their predictions differ");
            return Err(RunError::Usage(format!("compare organisms: {problem}")));
        }
        let encode = |row: &'a Row| -> Result<_, ModelError> {
            let encoded = organism.text.encode(row)?;
            organism.check(&row.row_id, &encoded.tokens, 0)?;
            match encoded.answers.last() {
                Some(answer) if answer.start > 0 && encoded.prompt < encoded.tokens.len() => Ok((row, encoded)),
                _ => {
                    let problem = "it does not end in an assistant turn".to_owned();
                    Err(ModelError::Row { row_id: row.row_id.clone(), problem })
                }
            }
        };
        Ok(Self { organism, reference, rows: rows.iter().map(encode).collect::<Result<_, _>>()? })
    }

    /// Everything that decides the result; `rows` is their digest.
    pub fn inputs(&self, rows: &str) -> Value {
        json!({
            "organism": self.organism.digest,
            "reference": self.reference.digest,
            "rows": rows,
            "numerics": numerics(&self.organism.device),
        })
    }

    /// Tokens of all rows.
    pub fn tokens(&self) -> u64 {
        self.rows.iter().map(|(_, encoded)| encoded.tokens.len() as u64).sum()
    }

    /// `row_id, pos, token_id, token, answer, kl, gradient`; `step` is told how many of how many rows are done, and
    /// returns false to stop.
    pub fn run(&self, step: &mut dyn FnMut(usize, usize) -> bool) -> Result<RecordBatch, RunError> {
        let mut found = Vec::new();
        let mut done = 0;
        let of = |(row, encoded): &(&Row, Encoded)| self.of(row, encoded);
        in_order(&self.rows, lanes(&self.organism.device), of, |rows| {
            found.extend(rows);
            done += 1;
            if step(done, self.rows.len()) { Ok(()) } else { Err(RunError::Interrupted) }
        })?;
        let text = |f: &dyn Fn(&GradientRow) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(found.iter().map(f)))
        };
        let count = |f: &dyn Fn(&GradientRow) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(found.iter().map(f)))
        };
        let number = |f: &dyn Fn(&GradientRow) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(found.iter().map(f)))
        };
        let answer: BooleanArray = found.iter().map(|row| Some(row.answer)).collect();
        table(vec![
            ("row_id", DataType::Utf8, text(&|row| &row.row_id)),
            ("pos", DataType::UInt32, count(&|row| row.pos)),
            ("token_id", DataType::UInt32, count(&|row| row.token_id)),
            ("token", DataType::Utf8, text(&|row| &row.token)),
            ("answer", DataType::Boolean, Arc::new(answer)),
            ("kl", DataType::Float64, number(&|row| row.kl)),
            ("gradient", DataType::Float64, number(&|row| row.gradient)),
        ])
    }

    fn of(&self, row: &Row, encoded: &Encoded) -> Result<Vec<GradientRow>, ModelError> {
        let span = encoded.answers.last().cloned().unwrap_or_default();
        let (ours, theirs) = (&self.organism.network, &self.reference.network);
        let found = divergence(ours, theirs, &encoded.tokens, span.clone())?;
        let token = |(at, gradient): (usize, &f64)| {
            Ok(GradientRow {
                row_id: row.row_id.clone(),
                pos: at as u32,
                token_id: encoded.tokens[at],
                token: self.organism.text.decode_all(&encoded.tokens[at..=at])?,
                answer: span.contains(&at),
                kl: if span.contains(&at) { found.kl[at - span.start] } else { 0.0 },
                gradient: *gradient,
            })
        };
        found.gradients.iter().enumerate().map(token).collect()
    }
}
