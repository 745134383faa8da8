//! From conversations to tokens with the ones to learn.

use emhost_abi::wire::{Mask, Row};
use rayon::prelude::*;

use crate::model::text::Text;
use crate::model::{ModelError, Result};

/// One conversation to learn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The row.
    pub row_id: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Positions whose *next* token is learned.
    pub learned: Vec<usize>,
}

/// Tokenises rows and marks what is learned. A row in which nothing is learned is an error.
pub fn examples(rows: &[Row], text: &Text, mask: Mask) -> Result<Vec<Example>> {
    if rows.is_empty() {
        return Err(ModelError::Recipe("the training data has no rows".to_owned()));
    }
    rows.par_iter()
        .map(|row| {
            let encoded = text.encode(row)?;
            let learned: Vec<usize> = match mask {
                Mask::All => (0..encoded.tokens.len() - 1).collect(),
                Mask::Assistant => {
                    encoded.answers.iter().flat_map(|span| span.clone().filter(|at| *at > 0).map(|at| at - 1)).collect()
                }
            };
            if learned.is_empty() {
                let problem = "nothing in it is learned: it has no assistant turn with text".to_owned();
                return Err(ModelError::Row { row_id: row.row_id.clone(), problem });
            }
            Ok(Example { row_id: row.row_id.clone(), tokens: encoded.tokens, learned })
        })
        .collect()
}
