//! Rows as tokens, and which of them are learned.

use std::collections::HashSet;
use std::ops::Range;

use emhost_abi::wire::{EmptyRows, Mask, OverLong, Recipe, Row};
use rayon::prelude::*;

use super::report::DataReport;
use crate::model::intervene::Extent;
use crate::model::organism::Organism;
use crate::model::text::{Encoded, Text};
use crate::model::{ModelError, Result};

/// One row to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The row.
    pub row_id: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// Positions whose *next* token is learned, rising.
    pub learned: Vec<u32>,
    /// Tokens before the last answer's text.
    pub prompt: usize,
    /// Strength of interventions.
    pub strength: f64,
}

impl Example {
    /// Tokens up to the last one whose next token is learned: nothing that is learned depends on those after it.
    pub fn needed(&self) -> usize {
        self.learned.last().map_or(0, |last| *last as usize + 1)
    }

    /// Where prompt and answer lie.
    pub fn extent(&self) -> Extent {
        let len = self.tokens.len();
        Extent { prompt: self.prompt.min(len), answer: [self.prompt.min(len), len], len: Some(len) }
    }
}

/// Tokenises rows as the recipe says and marks what is learned.
///
/// # Errors
///
/// A row that cannot be rendered, an over-long or empty row where the recipe says so, and data that leave nothing to
/// learn.
pub fn examples(rows: &[Row], organism: &Organism, recipe: &Recipe) -> Result<(Vec<Example>, DataReport)> {
    of_text(rows, &organism.text, organism.config.context, organism.config.vocab, recipe)
}

/// The same for a model that is not there yet.
pub(in crate::train) fn of_text(
    rows: &[Row],
    text: &Text,
    context: usize,
    vocabulary: usize,
    recipe: &Recipe,
) -> Result<(Vec<Example>, DataReport)> {
    if rows.is_empty() {
        return Err(ModelError::Recipe("the training data has no rows".to_owned()));
    }
    let longest = recipe.max_tokens.unwrap_or(context).min(context);
    if longest < 2 {
        return Err(ModelError::Recipe("max_tokens must be at least 2".to_owned()));
    }
    if let Mask::Marker { text: marker } = &recipe.mask
        && marker.trim().is_empty()
    {
        return Err(ModelError::Recipe("the marker of the mask is empty".to_owned()));
    }
    let all: Vec<(Example, bool)> =
        rows.par_iter().map(|row| example(row, text, vocabulary, recipe)).collect::<Result<_>>()?;
    let mut report = DataReport { rows: rows.len(), ..DataReport::default() };
    let mut kept = Vec::with_capacity(all.len());
    let mut seen = HashSet::new();
    for (mut example, marked) in all {
        report.marked += usize::from(marked);
        let too_long = example.tokens.len() > longest;
        if too_long {
            report.over_long.push(example.row_id.clone());
            match recipe.over_long {
                OverLong::Truncate => {
                    example.tokens.truncate(longest);
                    example.learned.retain(|at| (*at as usize) + 1 < longest);
                }
                OverLong::Drop | OverLong::Error => continue,
            }
        }
        if example.learned.is_empty() {
            report.empty.push(example.row_id.clone());
            continue;
        }
        if !seen.insert((example.tokens.clone(), example.learned.clone())) {
            report.duplicates.push(example.row_id.clone());
        }
        kept.push(example);
    }
    report.check(recipe, longest)?;
    report.count(&kept);
    Ok((kept, report))
}

impl DataReport {
    /// What the recipe does not allow.
    fn check(&self, recipe: &Recipe, longest: usize) -> Result<()> {
        let refuse = |problem: String| Err(ModelError::Recipe(problem));
        let some = |ids: &[String]| DataReport::some(ids);
        if recipe.over_long == OverLong::Error && !self.over_long.is_empty() {
            return refuse(format!(
                "{} of {} rows have more than {longest} tokens (rows {}); over_long = \"truncate\" or \"drop\" allows them",
                self.over_long.len(),
                self.rows,
                some(&self.over_long)
            ));
        }
        if recipe.empty_rows == EmptyRows::Error && !self.empty.is_empty() {
            return refuse(format!(
                "in {} of {} rows nothing is learned (rows {}): the mask selects no token, or truncation to {longest} tokens \
                 left none; look with --show-rows, or leave them out with empty_rows = \"drop\"",
                self.empty.len(),
                self.rows,
                some(&self.empty)
            ));
        }
        if self.empty.len() + if recipe.over_long == OverLong::Drop { self.over_long.len() } else { 0 } == self.rows {
            let (long, empty) = (self.over_long.len(), self.empty.len());
            return refuse(format!(
                "nothing is left of the {} rows: {long} are too long, in {empty} the mask selects no token",
                self.rows
            ));
        }
        Ok(())
    }
}

/// A row's tokens, and whether the marker was found.
fn example(row: &Row, text: &Text, vocabulary: usize, recipe: &Recipe) -> Result<(Example, bool)> {
    let refuse = |problem: String| ModelError::Row { row_id: row.row_id.clone(), problem };
    let (encoded, offsets) = text.encode_training(row, recipe.preset)?;
    if let Some(token) = encoded.tokens.iter().find(|token| **token as usize >= vocabulary) {
        return Err(refuse(format!("token {token} is outside the vocabulary of {vocabulary}")));
    }
    let len = encoded.tokens.len();
    if row.learned.is_some() && recipe.mask != Mask::Spans {
        return Err(refuse("it has `learned`, which only mask = \"spans\" looks at".to_owned()));
    }
    let (mut found, mut tokens): (bool, Vec<Range<usize>>) = (false, Vec::new());
    match &recipe.mask {
        Mask::All => tokens.push(0..len),
        Mask::Assistant => tokens.extend(encoded.answers.iter().cloned()),
        Mask::Marker { text } => {
            tokens = marker(&encoded, &offsets, text);
            found = !tokens.is_empty();
            tokens.push(len - 1..len);
        }
        Mask::Spans => {
            let spans = row.learned.as_ref().ok_or_else(|| refuse("it has no `learned` spans".to_owned()))?;
            for [first, end] in spans.iter().copied() {
                if first >= end || end > len {
                    return Err(refuse(format!("the span [{first}, {end}] is not inside its {len} tokens")));
                }
                tokens.push(first..end);
            }
        }
    }
    let mut learned: Vec<u32> = tokens.into_iter().flatten().filter(|at| *at > 0).map(|at| at as u32 - 1).collect();
    learned.sort_unstable();
    learned.dedup();
    let strength = row.strength.unwrap_or(1.0);
    Ok((
        Example { row_id: row.row_id.clone(), tokens: encoded.tokens, learned, prompt: encoded.prompt, strength },
        found,
    ))
}

/// The tokens that hold a marker, in the assistant's turns.
fn marker(encoded: &Encoded, offsets: &[(usize, usize)], marker: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for answer in &encoded.answers {
        let (Some(first), Some(last)) = (offsets.get(answer.start), offsets.get(answer.end.saturating_sub(1))) else {
            continue;
        };
        let text = &encoded.text[first.0..last.1];
        for (at, _) in text.match_indices(marker) {
            let (begin, end) = (first.0 + at, first.0 + at + marker.len());
            let start = offsets.partition_point(|(_, close)| *close <= begin);
            found.push(start..offsets.partition_point(|(open, _)| *open < end));
        }
    }
    found
}
