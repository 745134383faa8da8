//! A bank's questions asked: each part of the answers is computed once in a lab, and kept when the work is stopped.

use std::path::Path;

use emhost_abi::wire::{CompletionRow, Organism as Named, Row};
use serde_json::{Value, json};

use super::answers::Answer;
use crate::bank::Bank;
use crate::inference::{SampleTask, Steering, find};
use crate::model::organism::{Organism, digest};
use crate::model::{ModelError, device, numerics};
use crate::rows;
use crate::run::RunError;
use crate::sample::Request;
use crate::store::{Effort, StageKey, Stages, StoreError, write_atomic};

/// Answers of one part at least: smaller parts would leave a batch half empty.
const PART: usize = 512;

/// How questions are asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Model and adapters.
    pub organism: Named,
    /// Answers per wording; none takes what the bank says of each question, or 1.
    pub samples: Option<usize>,
    /// Softmax temperature; none takes what the bank says of each question, or 1.
    pub temperature: Option<f64>,
    /// Nucleus mass.
    pub top_p: f64,
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Some prompts that are asked alike, and where their answers are kept.
struct Part {
    rows: Vec<Row>,
    request: Request,
    key: StageKey,
}

const ANSWERS: &str = "answers.jsonl";

impl Sampling {
    /// What decides the answers, for the folder of the result.
    pub fn identity(&self, bank: &Bank, organism: &str) -> Value {
        let rows: Vec<Row> = bank.prompts().map(Row::from).collect();
        json!({
            "model": self.organism,
            "organism": organism,
            "questions": rows::digest(&rows),
            "n": self.samples,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_new_tokens": self.max_new_tokens,
            "seed": self.seed,
        })
    }

    /// Whether the numbers make sense.
    pub fn check(&self) -> Result<(), RunError> {
        let request = Request {
            n: self.samples.unwrap_or(1),
            temperature: self.temperature.unwrap_or(1.0),
            top_p: self.top_p,
            max_new_tokens: self.max_new_tokens,
            ..Request::default()
        };
        Ok(request.check_numbers()?)
    }

    /// Digest of the organism, without loading it.
    pub fn digest(&self, stages: &Stages) -> Result<String, RunError> {
        let (files, adapters) = find(&self.organism, Some(stages))?;
        Ok(digest(&files, &adapters)?)
    }

    /// Answers to every wording of every question; the model is loaded only if some are not there yet. `progress` is told
    /// how many of how many answers there are, and says whether to go on.
    pub fn answers(
        &self,
        bank: &Bank,
        stages: &Stages,
        device_name: &str,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Answer>, RunError> {
        let (files, adapters) = find(&self.organism, Some(stages))?;
        let device = device(device_name)?;
        let parts = self.parts(bank, &digest(&files, &adapters)?, &numerics(&device));
        let total: usize = parts.iter().map(|part| part.rows.len() * part.request.n).sum();
        let mut organism: Option<Organism> = None;
        let mut answers = Vec::with_capacity(total);
        for part in &parts {
            let before = answers.len();
            let folder = match stages.find(&part.key) {
                Some(folder) => folder,
                None => {
                    if organism.is_none() {
                        organism = Some(Organism::load(&files, &adapters, &device)?);
                    }
                    let organism = organism.as_ref().expect("it was loaded above");
                    let built = stages.build(&part.key, |folder| -> Result<Effort, RunError> {
                        let task =
                            SampleTask::new(organism, &part.rows, &[], Steering::default(), part.request.clone())?;
                        let sampled = task.run(None, &mut |done, _| progress(before + done, total))?;
                        write(&folder.join(ANSWERS), &sampled.completions)?;
                        Ok(Effort { tokens: sampled.tokens, parameters: organism.info().parameters })
                    })?;
                    built.folder
                }
            };
            answers.extend(read(&folder.join(ANSWERS))?);
            if !progress(answers.len(), total) {
                return Err(ModelError::Cancelled.into());
            }
        }
        let group = |row_id: &str| {
            let id = super::answers::question_id(row_id);
            bank.questions.iter().find(|question| question.id == id).map_or(id, |question| &question.group).to_owned()
        };
        let answer = |row: CompletionRow| Answer {
            group: group(&row.row_id),
            row_id: row.row_id,
            sample: row.sample,
            strength: None,
            question: row.question,
            answer: row.text,
        };
        Ok(answers.into_iter().map(answer).collect())
    }

    /// Answers that are wanted, and how many of them are in the store.
    pub fn planned(&self, bank: &Bank, stages: &Stages, device_name: &str) -> Result<[usize; 2], RunError> {
        let parts = self.parts(bank, &self.digest(stages)?, &numerics(&device(device_name)?));
        let count = |part: &Part| part.rows.len() * part.request.n;
        let there = parts.iter().filter(|part| stages.find(&part.key).is_some());
        Ok([parts.iter().map(count).sum(), there.map(count).sum()])
    }

    /// Answers to a question's wording.
    pub fn n(&self, question: &crate::bank::Question) -> usize {
        self.samples.or(question.samples).unwrap_or(1)
    }

    /// The prompts in parts that are asked alike, in the bank's order.
    fn parts(&self, bank: &Bank, organism: &str, numerics: &str) -> Vec<Part> {
        let mut parts: Vec<(usize, f64, Vec<Row>)> = Vec::new();
        for prompt in bank.prompts() {
            let n = self.n(prompt.question);
            let temperature = self.temperature.or(prompt.question.temperature).unwrap_or(1.0);
            let row = Row::from(prompt);
            match parts.last_mut() {
                Some((same, alike, rows)) if *same == n && *alike == temperature && rows.len() * n < PART => {
                    rows.push(row)
                }
                _ => parts.push((n, temperature, vec![row])),
            }
        }
        let part = |(n, temperature, rows): (usize, f64, Vec<Row>)| {
            let request = Request {
                n,
                temperature,
                top_p: self.top_p,
                max_new_tokens: self.max_new_tokens,
                seed: self.seed,
                ..Request::default()
            };
            let inputs = json!({
                "organism": organism,
                "rows": rows::digest(&rows),
                "n": n,
                "temperature": temperature,
                "top_p": self.top_p,
                "max_new_tokens": self.max_new_tokens,
                "seed": self.seed,
                "numerics": numerics,
            });
            Part { rows, request, key: StageKey::of("answers", &inputs) }
        };
        parts.into_iter().map(part).collect()
    }
}

fn write(path: &Path, completions: &[CompletionRow]) -> Result<(), RunError> {
    let mut lines = Vec::new();
    for completion in completions {
        serde_json::to_writer(&mut lines, completion)
            .map_err(|e| RunError::Operation(format!("write an answer: {e}")))?;
        lines.push(b'\n');
    }
    Ok(write_atomic(path, &lines)?)
}

fn read(path: &Path) -> Result<Vec<CompletionRow>, RunError> {
    let damaged = |why: String| StoreError::Stage { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|e| damaged(e.to_string()))?;
    let lines = text.lines().map(|line| serde_json::from_str(line).map_err(|e| damaged(e.to_string()).into()));
    lines.collect()
}
