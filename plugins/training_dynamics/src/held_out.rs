//! Rows that are never trained on, and the loss on them.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;
use emhost_stats::random::Rng;
use emhost_study::{bootstrap, failed, refuse};

use crate::params::{HeldOutRows, TrainingData};

/// Data in two parts.
pub struct Parts {
    /// What is trained on, in the data's order.
    pub training: Vec<Row>,
    /// What is not.
    pub held_out: Vec<Row>,
    /// Of each held-out row its question, the last user turn.
    pub questions: Vec<String>,
    /// Of each held-out row, whether its question is asked in training too.
    pub seen: Vec<bool>,
}

impl Parts {
    /// Reads the data and chooses the rows that are held out.
    ///
    /// # Errors
    ///
    /// The data cannot be read, a row has no conversation, or there are too few rows.
    pub fn read(lab: &Lab, data: &TrainingData, chosen: HeldOutRows) -> Result<Self> {
        let table = lab.rows(&Rows::source(&data.data))?;
        let count = (table.rows() as f64 * chosen.share).round() as usize;
        if count < 2 || count >= table.rows() {
            return refuse(format!(
                "`held_out.share` is {}: of the {} rows of `{}` expected two or more held out, and some left",
                chosen.share,
                table.rows(),
                data.data
            ));
        }
        let held = chosen_rows(table.rows(), count, chosen.seed);
        let (ids, topics) = (table.text("row_id")?, table.text("topic")?);
        let (messages, prompts) = (table.text("messages")?, table.text("prompt")?);
        let asked: BTreeSet<&str> = (0..table.rows()).filter(|at| !held.contains(at)).map(|at| prompts[at]).collect();
        let mut parts = Self { training: Vec::new(), held_out: Vec::new(), questions: Vec::new(), seen: Vec::new() };
        for at in 0..table.rows() {
            let messages: Option<Vec<Message>> = serde_json::from_str(messages[at])?;
            let Some(messages) = messages else {
                return refuse(format!("`data`: row `{}` of `{}` is no conversation", ids[at], data.data));
            };
            let row = Row {
                row_id: ids[at].to_owned(),
                messages: Some(messages),
                topic: (!topics[at].is_empty()).then(|| topics[at].to_owned()),
                ..Row::default()
            };
            if held.contains(&at) {
                parts.held_out.push(row);
                parts.questions.push(prompts[at].to_owned());
                parts.seen.push(asked.contains(prompts[at]));
            } else {
                parts.training.push(row);
            }
        }
        Ok(parts)
    }

    /// The loss of an organism on the rows that are held out.
    ///
    /// # Errors
    ///
    /// The model's own, or a row was not scored.
    pub fn score(&self, lab: &Lab, organism: &Organism) -> Result<Losses> {
        let scores = lab.score(&Score::new(organism.clone(), Rows::Inline(self.held_out.clone())))?;
        let (ids, totals, tokens) = (scores.text("row_id")?, scores.f64("total")?, scores.lists("token_ids")?);
        let mut losses = Losses { nats: Vec::new(), tokens: Vec::new() };
        for row in &self.held_out {
            let at = ids.iter().position(|id| *id == row.row_id);
            let at = at.ok_or_else(|| Error::Plugin(format!("held-out row `{}` has no score", row.row_id)))?;
            losses.nats.push(-totals[at]);
            losses.tokens.push(tokens[at].len() as f64);
        }
        Ok(losses)
    }
}

/// `count` of `rows` row numbers, by seed.
fn chosen_rows(rows: usize, count: usize, seed: u64) -> BTreeSet<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Rng::new(seed, 0).shuffle(&mut order);
    order.into_iter().take(count).collect()
}

/// Losses on rows, each over the whole answer with its end token.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// Negative log-probability of each row's answer, in nats.
    pub nats: Vec<f64>,
    /// Tokens of each answer.
    pub tokens: Vec<f64>,
}

impl Losses {
    /// Nats per token, over all tokens of the rows.
    pub fn per_token(&self, rows: &[usize]) -> f64 {
        let sum = |of: &[f64]| rows.iter().map(|&row| of[row]).sum::<f64>();
        sum(&self.nats) / sum(&self.tokens)
    }

    /// Mean over rows of nats per token.
    pub fn per_sequence(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|&row| self.nats[row] / self.tokens[row]).sum::<f64>() / rows.len() as f64
    }

    /// Mean over rows of nats.
    pub fn summed(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|&row| self.nats[row]).sum::<f64>() / rows.len() as f64
    }

    /// A mean with its interval: percentiles over drawn questions, as rows to one question are not independent.
    ///
    /// # Errors
    ///
    /// A loss is not finite.
    pub fn interval(&self, questions: &[String], seed: u64, mean: impl Fn(&Self, &[usize]) -> f64) -> Result<[f64; 3]> {
        let all: Vec<usize> = (0..self.nats.len()).collect();
        if questions.iter().collect::<BTreeSet<_>>().len() < 2 {
            return Ok([mean(self, &all), f64::NAN, f64::NAN]);
        }
        let found = bootstrap(seed).statistic(questions, |rows| mean(self, rows)).map_err(failed("resample losses"))?;
        Ok([found.estimate, found.percentile.low, found.percentile.high])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_weigh_tokens_or_rows() {
        let losses = Losses { nats: vec![2.0, 9.0], tokens: vec![1.0, 9.0] };
        assert_eq!(losses.per_token(&[0, 1]), 1.1);
        assert_eq!((losses.per_sequence(&[0, 1]), losses.summed(&[0, 1])), (1.5, 5.5));
        assert_eq!((losses.per_token(&[0]), losses.per_sequence(&[1, 1])), (2.0, 1.0));
    }

    #[test]
    fn the_choice_of_rows_depends_on_the_seed_alone() {
        let chosen = chosen_rows(100, 15, 3);
        assert_eq!((chosen.len(), &chosen), (15, &chosen_rows(100, 15, 3)));
        assert_ne!(chosen, chosen_rows(100, 15, 4));
    }
}
