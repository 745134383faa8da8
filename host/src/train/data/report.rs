//! What was found in training data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::examples::Example;

/// Counts of training data, and a digest of what is learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataReport {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that are trained on.
    pub kept: usize,
    /// Tokens of those.
    pub tokens: usize,
    /// Learned tokens of those.
    pub learned: usize,
    /// Rows with more tokens than the recipe allows.
    pub over_long: Vec<String>,
    /// Rows in which nothing is learned.
    pub empty: Vec<String>,
    /// Rows that equal an earlier one, token for token.
    pub duplicates: Vec<String>,
    /// Rows in which the mask's marker was found.
    pub marked: usize,
    /// BLAKE3 of ids, tokens and mask of the kept rows.
    pub digest: String,
}

impl DataReport {
    /// The first few of some ids.
    pub(super) fn some(ids: &[String]) -> String {
        const SHOWN: usize = 5;
        let more = if ids.len() > SHOWN { ", ..." } else { "" };
        format!("{}{more}", ids[..ids.len().min(SHOWN)].join(", "))
    }

    /// Fills in what is counted over the kept rows.
    pub(super) fn count(&mut self, kept: &[Example]) {
        self.kept = kept.len();
        self.tokens = kept.iter().map(|e| e.tokens.len()).sum();
        self.learned = kept.iter().map(|e| e.learned.len()).sum();
        let mut hasher = blake3::Hasher::new();
        for example in kept {
            hasher.update(&(example.row_id.len() as u64).to_le_bytes()).update(example.row_id.as_bytes());
            for numbers in [&example.tokens, &example.learned] {
                hasher.update(&(numbers.len() as u64).to_le_bytes());
                for number in numbers {
                    hasher.update(&number.to_le_bytes());
                }
            }
            hasher.update(&example.strength.to_le_bytes()).update(&(example.prompt as u64).to_le_bytes());
        }
        self.digest = hasher.finalize().to_hex().to_string();
    }
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows, {} tokens, {} of them learned", self.kept, self.rows, self.tokens, self.learned)?;
        for (ids, what) in [
            (&self.over_long, "too long"),
            (&self.empty, "without a learned token"),
            (&self.duplicates, "equal to an earlier row"),
        ] {
            if !ids.is_empty() {
                write!(f, "; {} {what} (rows {})", ids.len(), Self::some(ids))?;
            }
        }
        Ok(())
    }
}
