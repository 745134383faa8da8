//! Completions of rows: `emhost sample` and the operation `sample`.

use std::path::Path;

use arrow::array::RecordBatch;
use emhost_abi::wire::{CompletionRow, Firing, Row};
use serde_json::{Value, json};

use super::completions::{Traces, completion_table, shown};
use super::explain::Plan;
use super::steering::Steering;
use crate::model::intervene::Interventions;
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::model::text::Encoded;
use crate::model::{ModelError, numerics};
use crate::run::RunError;
use crate::sample::{Completion, Prompt, Request, row_limit, sample_steered};
use crate::store::{Card, Dataset, DatasetWriter};

/// What to sample.
pub struct SampleTask<'a> {
    organism: &'a Organism,
    rows: &'a [Row],
    steering: Steering,
    interventions: Interventions,
    request: Request,
}

/// Completions in the order of rows, strengths and samples.
pub struct Sampled {
    /// As they are shown.
    pub completions: Vec<CompletionRow>,
    /// As a table.
    pub table: RecordBatch,
    /// How often the interventions fired.
    pub firings: Vec<Firing>,
    /// The dataset, if one was written.
    pub dataset: Option<Dataset>,
    /// Tokens that were computed: each prompt once, and all new ones.
    pub tokens: u64,
}

impl<'a> SampleTask<'a> {
    /// Selects sites and reads vectors; prompts and strengths of `request` are filled in from the rest.
    pub fn new(
        organism: &'a Organism,
        rows: &'a [Row],
        sites: &[String],
        steering: Steering,
        request: Request,
    ) -> Result<Self, RunError> {
        let interventions = steering.resolve(organism, rows)?;
        let sites = organism.sites(sites)?;
        let request = Request { sites, strengths: steering.doses(), ..request };
        Ok(Self { organism, rows, steering, interventions, request })
    }

    /// Everything that decides the result; `rows` is their digest.
    pub fn inputs(&self, rows: &str) -> Value {
        let request = &self.request;
        let mut inputs = json!({
            "organism": self.organism.digest,
            "rows": rows,
            "n": request.n,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_new_tokens": request.max_new_tokens,
            "min_new_tokens": request.min_new_tokens,
            "seed": request.seed,
            "sites": request.sites.iter().map(Site::to_string).collect::<Vec<_>>(),
            "numerics": numerics(&self.organism.device),
        });
        self.steering.key(&self.interventions, &mut inputs);
        inputs
    }

    /// Samples everything; `target` and its card ask for a dataset of completions and, where there are sites, their
    /// activations. `step` is told how many of how many completions are done, and returns false to stop.
    pub fn run(
        mut self,
        target: Option<(&Path, Card)>,
        step: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Sampled, RunError> {
        self.prepare()?;
        let Self { organism, rows, steering, interventions, request } = self;
        let steered = !steering.is_empty();
        let mut writer = target.map(|(target, card)| DatasetWriter::create(target, card)).transpose()?;
        let total = request.total();
        let mut all: Vec<Completion> = Vec::with_capacity(total);
        let firings = {
            let kept = writer.as_mut().filter(|_| !request.sites.is_empty());
            let mut traces = kept.map(|writer| Traces::new(writer, organism, &request.sites, steered));
            let mut finished = |completion: Completion, values: Vec<Vec<f32>>| -> Result<(), RunError> {
                let (row, prompt) = (&rows[completion.prompt], &request.prompts[completion.prompt]);
                if let Some(traces) = &mut traces {
                    traces.add(&row.row_id, &prompt.tokens, &completion, values)?;
                }
                all.push(completion);
                Ok(())
            };
            let mut progress = |done| step(done, total);
            let firings = sample_steered(organism, &request, &interventions, &mut finished, &mut progress)?;
            traces.as_mut().map_or(Ok(()), Traces::flush)?;
            firings.list(&interventions)
        };
        all.sort_by_key(Completion::order);
        let prompts: usize = request.prompts.iter().map(|prompt| prompt.tokens.len()).sum();
        let tokens = (prompts + all.iter().map(|completion| completion.tokens.len()).sum::<usize>()) as u64;
        let completions: Vec<CompletionRow> =
            all.iter().map(|c| shown(organism, rows, c, steered)).collect::<Result<_, ModelError>>()?;
        let table = completion_table(&completions, steered)?;
        let dataset = match writer {
            Some(mut writer) => {
                writer.write_rows(&table)?;
                Some(writer.commit()?)
            }
            None => None,
        };
        Ok(Sampled { completions, table, firings, dataset, tokens })
    }

    /// What `run` would do at most, with its time estimated from the first steps of a batch.
    pub fn explain(mut self) -> Result<Plan, RunError> {
        self.prepare()?;
        let (organism, request) = (self.organism, &self.request);
        let (limit, total) = (row_limit(organism, request), request.total());
        let prompts: usize = request.prompts.iter().map(|prompt| prompt.tokens.len()).sum();
        let longest = request.prompts.iter().map(|prompt| prompt.tokens.len()).max().unwrap_or(0);
        let per_prompt = (request.n * request.doses().len()).max(1);
        let shown = limit.div_ceil(per_prompt).clamp(1, request.prompts.len().max(1));
        // One prompt alone may have more completions than fit into a batch.
        let n = request.n.min(limit);
        let probed = (shown * n * request.doses().len()) as f64;
        let part = |max_new_tokens| Request {
            prompts: request.prompts.iter().take(shown).cloned().collect(),
            n,
            max_new_tokens,
            min_new_tokens: max_new_tokens,
            ..request.clone()
        };
        let seconds = |request: &Request| -> Result<f64, ModelError> {
            let begun = std::time::Instant::now();
            let mut drop_it = |_, _| Ok(());
            sample_steered::<ModelError>(organism, request, &self.interventions, &mut drop_it, &mut |_| true)?;
            Ok(begun.elapsed().as_secs_f64())
        };
        let batches = total.div_ceil(limit);
        let estimate = if total == 0 {
            None
        } else if request.max_new_tokens <= PROBE_STEPS {
            Some(seconds(&part(request.max_new_tokens))? * total as f64 / probed)
        } else {
            let (begin, steps) = (seconds(&part(1))?, seconds(&part(PROBE_STEPS))?);
            let step = (steps - begin).max(0.0) / (PROBE_STEPS - 1) as f64 * total as f64 / probed;
            Some(begin * request.prompts.len() as f64 / shown as f64 + step * request.max_new_tokens as f64)
        };
        let held: usize = request.sites.iter().map(|site| organism.width(*site)).sum();
        let config = &organism.config;
        let row = 2 * config.heads.kv_width() * config.blocks * (request.max_new_tokens + longest)
            + held * (request.max_new_tokens + 1)
            + 2 * config.vocab;
        let vectors = total * (request.max_new_tokens + 1);
        Ok(Plan {
            rows: self.rows.len(),
            passes_per_row: per_prompt,
            tokens: prompts + total * request.max_new_tokens,
            batches,
            rows_per_batch: limit.min(total),
            memory_bytes: Plan::model_bytes(organism)
                + Plan::pass_bytes(organism, prompts.min(4096))
                + (4 * row * limit.min(total)) as u64
                // Text, token ids and ids of all completions.
                + (total * (12 * request.max_new_tokens + 300)) as u64,
            disk_bytes: (held > 0).then_some((vectors * (4 * held + 16)) as u64),
            seconds: estimate,
        })
    }

    /// Encodes the prompts and computes the values of patches.
    fn prepare(&mut self) -> Result<(), RunError> {
        let encoded: Vec<Encoded> =
            self.rows.iter().map(|row| self.organism.text.encode_prompt(row)).collect::<Result<_, ModelError>>()?;
        self.steering.patch(&mut self.interventions, self.organism, self.rows, &encoded)?;
        let prompt = |(row, encoded): (&Row, Encoded)| Prompt {
            row_id: row.row_id.clone(),
            tokens: encoded.tokens,
            strength: row.strength.unwrap_or(1.0),
        };
        self.request.prompts = self.rows.iter().zip(encoded).map(prompt).collect();
        Ok(self.request.check(self.organism)?)
    }
}

/// New tokens per row of the batch that is measured.
const PROBE_STEPS: usize = 5;
