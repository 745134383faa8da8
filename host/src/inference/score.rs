//! Log-probabilities of continuations: `emhost score` and the operation `score`.

use arrow::array::RecordBatch;
use emhost_abi::wire::{ContinuationRow, Firing, Row};
use serde_json::{Value, json};

use super::completions::score_table;
use super::explain::{Plan, measure};
use super::steering::Steering;
use crate::model::intervene::Interventions;
use crate::model::organism::Organism;
use crate::model::parallel::lanes;
use crate::model::text::Encoded;
use crate::model::{ModelError, numerics};
use crate::run::RunError;
use crate::sample::{PASS_LOGIT_BYTES, PASS_TOKENS, Scored, Scoring, score};

/// What to score.
pub struct ScoreTask<'a> {
    organism: &'a Organism,
    rows: &'a [Row],
    steering: Steering,
    interventions: Interventions,
    lens: bool,
}

/// Scores in the order of rows, strengths and continuations.
pub struct Scores {
    /// As they are shown.
    pub rows: Vec<ContinuationRow>,
    /// As a table.
    pub table: RecordBatch,
    /// How often the interventions fired.
    pub firings: Vec<Firing>,
    /// Tokens that were computed: each prompt once, and all continuations.
    pub tokens: u64,
}

impl<'a> ScoreTask<'a> {
    /// Reads vectors.
    pub fn new(organism: &'a Organism, rows: &'a [Row], steering: Steering) -> Result<Self, RunError> {
        let interventions = steering.resolve(organism, rows)?;
        Ok(Self { organism, rows, steering, interventions, lens: false })
    }

    /// The same, with what each block says of first tokens.
    #[must_use]
    pub fn with_lens(self, lens: bool) -> Self {
        Self { lens, ..self }
    }

    /// Everything that decides the result; `rows` is their digest.
    pub fn inputs(&self, rows: &str) -> Value {
        let numerics = numerics(&self.organism.device);
        let mut inputs = json!({ "organism": self.organism.digest, "rows": rows, "numerics": numerics });
        self.steering.key(&self.interventions, &mut inputs);
        if self.lens {
            inputs["lens"] = true.into();
        }
        inputs
    }

    /// Scores everything; `step` is told how many of how many rows are done, and returns false to stop.
    pub fn run(mut self, step: &mut dyn FnMut(usize, usize) -> bool) -> Result<Scores, RunError> {
        let (scoring, texts) = self.prepare()?;
        let doses = self.steering.doses();
        let (steered, total) = (!self.steering.is_empty(), scoring.len() * doses.len());
        let prompts: usize = scoring.iter().map(|row| row.prompt.len()).sum();
        let mut rows = Vec::new();
        let mut finished = |scored: Scored| -> Result<(), RunError> {
            let sum: f64 = scored.logprobs.iter().sum();
            rows.push(ContinuationRow {
                row_id: self.rows[scored.row].row_id.clone(),
                strength: steered.then_some(scored.strength),
                continuation: scored.continuation as u32,
                text: texts[scored.row][scored.continuation].clone(),
                token_ids: scoring[scored.row].continuations[scored.continuation].clone(),
                total: sum,
                mean: sum / scored.logprobs.len() as f64,
                logprobs: scored.logprobs,
                lens: scored.lens,
            });
            Ok(())
        };
        let mut progress = |done| step(done, total);
        let (organism, interventions) = (self.organism, &self.interventions);
        let firings = score(organism, &scoring, &doses, interventions, self.lens, &mut finished, &mut progress)?;
        let table = score_table(&rows, steered, self.lens)?;
        let tokens = (prompts + rows.iter().map(|row| row.token_ids.len()).sum::<usize>()) as u64;
        Ok(Scores { tokens, rows, table, firings: firings.list(&self.interventions) })
    }

    /// What `run` would do, with its time estimated from the first row.
    pub fn explain(mut self) -> Result<Plan, RunError> {
        let (scoring, _) = self.prepare()?;
        let doses = self.steering.doses();
        let all: usize = scoring.iter().map(Scoring::tokens).sum();
        let first = scoring.first().map_or(0, Scoring::tokens);
        let device = &self.organism.device;
        let seconds = measure(device, first, all * doses.len(), || {
            let mut forget = |_| Ok(());
            score::<ModelError>(
                self.organism,
                &scoring[..1],
                &doses[..1],
                &self.interventions,
                self.lens,
                &mut forget,
                &mut |_| true,
            )
            .map(drop)
        })?;
        let continuations: usize = scoring.iter().map(|row| row.continuations.len()).sum();
        let batches = (all * doses.len()).div_ceil(PASS_TOKENS);
        let held = lanes(device) as u64 * (Plan::pass_bytes(self.organism, PASS_TOKENS) + PASS_LOGIT_BYTES as u64);
        Ok(Plan {
            rows: scoring.len(),
            passes_per_row: doses.len() * continuations.div_ceil(scoring.len().max(1)),
            tokens: all * doses.len(),
            batches,
            rows_per_batch: (scoring.len() * doses.len()).div_ceil(batches.max(1)),
            memory_bytes: Plan::model_bytes(self.organism) + held,
            disk_bytes: None,
            seconds,
        })
    }

    /// Prompts and continuations as tokens, and the continuations' texts.
    fn prepare(&mut self) -> Result<(Vec<Scoring>, Vec<Vec<String>>), RunError> {
        let (mut scoring, mut texts, mut prompts) = (Vec::new(), Vec::new(), Vec::new());
        for row in self.rows {
            let (prompt, continuations) = self.split(row)?;
            let (tokens, spoken) = continuations.into_iter().unzip();
            scoring.push(Scoring {
                row_id: row.row_id.clone(),
                prompt: prompt.tokens[..prompt.prompt].to_vec(),
                continuations: tokens,
                strength: row.strength.unwrap_or(1.0),
            });
            texts.push(spoken);
            prompts.push(prompt);
        }
        self.steering.patch(&mut self.interventions, self.organism, self.rows, &prompts)?;
        Ok((scoring, texts))
    }

    /// A row's prompt, and its continuations as tokens and as text.
    fn split(&self, row: &Row) -> Result<(Encoded, Vec<Continuation>), ModelError> {
        let text = &self.organism.text;
        let refuse = |problem: &str| ModelError::Row { row_id: row.row_id.clone(), problem: problem.to_owned() };
        let encoded = text.encode(row)?;
        let answered = encoded.answers.last().filter(|_| encoded.prompt < encoded.tokens.len()).cloned();
        match (&row.continuations, answered) {
            (Some(_), Some(_)) => {
                Err(refuse("it has `continuations` and ends in an assistant turn; leave one of them out"))
            }
            (None, Some(span)) => {
                let said = row.messages.iter().flatten().last().map(|turn| turn.content.clone()).unwrap_or_default();
                let tokens = encoded.tokens[span].to_vec();
                Ok((encoded, vec![(tokens, said)]))
            }
            (Some(continuations), None) if !continuations.is_empty() => {
                let tokens = |said: &String| Ok((text.encode_continuation(row, &encoded, said)?, said.clone()));
                let continuations = continuations.iter().map(tokens).collect::<Result<_, ModelError>>()?;
                Ok((encoded, continuations))
            }
            _ => {
                Err(refuse("it has nothing to score: give `continuations`, or messages that end in an assistant turn"))
            }
        }
    }
}

/// Tokens and text.
type Continuation = (Vec<u32>, String);
