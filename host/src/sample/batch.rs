//! The sampling loop.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::choose::Choice;
use super::request::{Completion, Request};
use crate::model::intervene::{Extent, Firings, Interventions, Part, Sequence, Steered};
use crate::model::organism::Organism;
use crate::model::packed::{Memory, Packed};
use crate::model::site::{Capture, Site};
use crate::model::{ModelError, Result};
use crate::rng::Stream;

/// Rows decoded together.
const ROWS: usize = 512;
/// Bytes of keys, values, logits and captured activations of the rows decoded together.
const ROW_BYTES: usize = 4 << 30;
/// Prompt tokens computed together.
const PROMPT_TOKENS: usize = 4096;

/// Samples all completions without interventions, in the order of prompts and samples.
///
/// `progress` is told how many are finished, and returns false to stop.
pub fn sample(
    organism: &Organism,
    request: &Request,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Completion>> {
    let mut all = Vec::with_capacity(request.total());
    let mut keep = |completion, _| -> Result<()> {
        all.push(completion);
        Ok(())
    };
    sample_steered::<ModelError>(organism, request, &Interventions::default(), &mut keep, progress)?;
    all.sort_by_key(Completion::order);
    Ok(all)
}

/// Samples all completions; gives how often the interventions fired.
///
/// Each completion is handed to `finished` as soon as it is there, with the values at each of the request's sites, one
/// vector for the prompt's last token and one for each new token. They come from the pass that made the completion;
/// where sites are asked for, the last new token is run too, so that none is missing.
///
/// A row's random numbers depend on its id, its sample and the step: completions of one row at several strengths use
/// the same ones.
pub fn sample_steered<E: From<ModelError>>(
    organism: &Organism,
    request: &Request,
    interventions: &Interventions,
    finished: &mut dyn FnMut(Completion, Vec<Vec<f32>>) -> Result<(), E>,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Firings, E> {
    request.check(organism)?;
    for prompt in &request.prompts {
        interventions.check(&prompt.row_id, &Extent::growing(prompt.tokens.len()))?;
    }
    let mut batch = Batch::new(organism, request, interventions);
    let mut done = 0;
    loop {
        while batch.admit()? {
            done += batch.retire(finished)?;
            if !progress(done) {
                return Err(ModelError::Cancelled.into());
            }
        }
        if batch.rows.is_empty() {
            break;
        }
        batch.decode()?;
        done += batch.retire(finished)?;
        if !progress(done) {
            return Err(ModelError::Cancelled.into());
        }
    }
    batch.counted.check(&batch.planned)?;
    Ok(batch.counted)
}

/// Rows that fit into memory together.
pub fn row_limit(organism: &Organism, request: &Request) -> usize {
    let config = &organism.config;
    let cache = 2 * config.heads.kv_width() * config.blocks * request.max_new_tokens;
    let held: usize = request.sites.iter().map(|site| organism.width(*site)).sum();
    let numbers = cache + held * (request.max_new_tokens + 1) + 2 * config.vocab;
    (ROW_BYTES / (4 * numbers)).clamp(1, ROWS)
}

/// A prompt that waits, with the strengths for which it is computed at once.
struct Waiting {
    prompt: usize,
    doses: Range<usize>,
}

/// A prompt whose first token can be drawn.
struct Ready {
    prompt: usize,
    doses: Range<usize>,
    memory: Memory,
    logits: Arc<Vec<f32>>,
    /// Values at its last token, by site.
    values: Vec<Vec<f32>>,
    /// Completions that have begun.
    begun: usize,
}

struct Row {
    completion: Completion,
    prompt_tokens: usize,
    stream: Stream,
    values: Vec<Vec<f32>>,
    /// Tokens that have been run.
    fed: usize,
}

struct Batch<'a> {
    organism: &'a Organism,
    request: &'a Request,
    interventions: &'a Interventions,
    choice: Choice,
    doses: Vec<f64>,
    limit: usize,
    /// Sites that the forward pass shows; logits are computed apart.
    inside: Vec<Site>,
    waiting: VecDeque<Waiting>,
    ready: VecDeque<Ready>,
    rows: Vec<Row>,
    memory: Vec<Memory>,
    counted: Firings,
    planned: Firings,
}

impl<'a> Batch<'a> {
    fn new(organism: &'a Organism, request: &'a Request, interventions: &'a Interventions) -> Self {
        let doses = request.doses();
        let mut waiting = VecDeque::new();
        for (prompt, what) in request.prompts.iter().enumerate().filter(|_| request.n > 0) {
            // Prompts that no edit touches are the same at every strength.
            if interventions.edits_prompt(&Extent::growing(what.tokens.len())) {
                waiting.extend((0..doses.len()).map(|dose| Waiting { prompt, doses: dose..dose + 1 }));
            } else {
                waiting.push_back(Waiting { prompt, doses: 0..doses.len() });
            }
        }
        let mut planned = Firings::default();
        for waiting in &waiting {
            let prompt = &request.prompts[waiting.prompt];
            let (tokens, strength) = (prompt.tokens.len(), doses[waiting.doses.start] * prompt.strength);
            let body = Sequence { first: 0, tokens, extent: Extent::growing(tokens), strength };
            planned.plan(interventions, &body, Part::Body);
            planned.plan(interventions, &Sequence { first: tokens - 1, tokens: 1, ..body }, Part::Logits);
        }
        Self {
            organism,
            request,
            interventions,
            choice: Choice { temperature: request.temperature, top_p: request.top_p },
            doses,
            limit: row_limit(organism, request),
            inside: request.sites.iter().copied().filter(|site| *site != Site::Logits).collect(),
            waiting,
            ready: VecDeque::new(),
            rows: Vec::new(),
            memory: Vec::new(),
            counted: Firings::default(),
            planned,
        }
    }

    /// Lets rows in while there is room, each with its first token; false if there was no room or no row.
    fn admit(&mut self) -> Result<bool> {
        let room = self.limit - self.rows.len();
        if room == 0 || self.ready.is_empty() && self.waiting.is_empty() {
            return Ok(false);
        }
        if self.ready.is_empty() {
            self.prefill(room)?;
        }
        let mut new: Vec<(Row, Arc<Vec<f32>>)> = Vec::with_capacity(room);
        while new.len() < room {
            let Some(first) = self.ready.front_mut() else { break };
            let prompt = &self.request.prompts[first.prompt];
            let (dose, sample) = (first.doses.start + first.begun / self.request.n, first.begun % self.request.n);
            let key = [b"sample".as_slice(), prompt.row_id.as_bytes(), &(sample as u64).to_le_bytes()];
            let completion = Completion {
                prompt: first.prompt,
                dose,
                strength: self.doses[dose] * prompt.strength,
                sample,
                tokens: Vec::new(),
                stopped: false,
            };
            let stream = Stream::new(self.request.seed, &key);
            let (values, prompt_tokens) = (first.values.clone(), prompt.tokens.len());
            new.push((Row { completion, prompt_tokens, stream, values, fed: 0 }, first.logits.clone()));
            self.memory.push(first.memory.clone());
            first.begun += 1;
            if first.begun == first.doses.len() * self.request.n {
                self.ready.pop_front();
            }
        }
        let (organism, request, choice) = (self.organism, self.request, self.choice);
        new.par_iter_mut().for_each(|(row, logits)| row.push(logits, choice, organism, request));
        self.rows.extend(new.into_iter().map(|(row, _)| row));
        Ok(true)
    }

    /// Computes waiting prompts together until their completions fill `room` rows or the batch is large.
    fn prefill(&mut self, room: usize) -> Result<()> {
        let request = self.request;
        let (mut chosen, mut tokens, mut rows): (Vec<Waiting>, _, _) = (Vec::new(), 0, 0);
        while let Some(next) = self.waiting.front() {
            tokens += request.prompts[next.prompt].tokens.len();
            if !chosen.is_empty() && (tokens > PROMPT_TOKENS || rows >= room) {
                break;
            }
            rows += next.doses.len() * request.n;
            chosen.extend(self.waiting.pop_front());
        }
        let prompts: Vec<&[u32]> = chosen.iter().map(|w| request.prompts[w.prompt].tokens.as_slice()).collect();
        let sequences: Vec<Sequence> = chosen
            .iter()
            .map(|waiting| {
                let prompt = &request.prompts[waiting.prompt];
                let (tokens, extent) = (prompt.tokens.len(), Extent::growing(prompt.tokens.len()));
                Sequence { first: 0, tokens, extent, strength: self.doses[waiting.doses.start] * prompt.strength }
            })
            .collect();
        let mut memory = vec![Memory::empty(self.organism.config.blocks); chosen.len()];
        let last: Vec<u32> = prompts
            .iter()
            .scan(0, |end, prompt| {
                *end += prompt.len() as u32;
                Some(*end - 1)
            })
            .collect();
        let capture = Capture::of_tokens(&self.inside, last.clone());
        let (logits, values) = self.run(&prompts, &sequences, Some(last), &mut memory, capture)?;
        let vocabulary = self.organism.config.vocab;
        for (at, (waiting, memory)) in chosen.into_iter().zip(memory).enumerate() {
            self.ready.push_back(Ready {
                prompt: waiting.prompt,
                doses: waiting.doses,
                memory,
                logits: Arc::new(logits[at * vocabulary..(at + 1) * vocabulary].to_vec()),
                values: self.row_of(&values, at),
                begun: 0,
            });
        }
        Ok(())
    }

    /// One more token for every row.
    fn decode(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut memory = std::mem::take(&mut self.memory);
        let tokens: Vec<&[u32]> = rows.iter().map(|row| &row.completion.tokens[row.fed..=row.fed]).collect();
        let sequences: Vec<Sequence> = rows.iter().map(Row::next).collect();
        let capture = Capture::new(&self.inside);
        let (logits, values) = self.run(&tokens, &sequences, None, &mut memory, capture)?;
        (self.rows, self.memory) = (rows, memory);
        for at in 0..self.rows.len() {
            let more = self.row_of(&values, at);
            self.rows[at].values.iter_mut().zip(more).for_each(|(held, more)| held.extend(more));
        }
        let (organism, request, choice) = (self.organism, self.request, self.choice);
        let step = |(row, logits): (&mut Row, &[f32])| {
            row.fed += 1;
            if !row.done(request) {
                row.push(logits, choice, organism, request);
            }
        };
        self.rows.par_iter_mut().zip(logits.par_chunks(organism.config.vocab)).for_each(step);
        Ok(())
    }

    /// Runs tokens; gives the logits of each sequence's last one, and the captured values by site.
    fn run(
        &mut self,
        tokens: &[&[u32]],
        sequences: &[Sequence],
        last: Option<Vec<u32>>,
        memory: &mut [Memory],
        mut capture: Capture,
    ) -> Result<(Vec<f32>, Vec<Vec<f32>>)> {
        let (organism, interventions) = (self.organism, self.interventions);
        let network = interventions.network(organism);
        let mut tap = Steered::new(interventions, sequences, Part::Body, &mut capture, &mut self.counted);
        let mut hidden = network.forward(&mut Packed::continued(tokens, memory), &mut tap)?;
        if let Some(last) = last {
            hidden = hidden.index_select(&candle_core::Tensor::from_vec(last, tokens.len(), hidden.device())?, 0)?;
        }
        let ends: Vec<Sequence> =
            sequences.iter().map(|s| Sequence { first: s.first + s.tokens - 1, tokens: 1, ..*s }).collect();
        let logits = interventions.edit_logits(network.logits(&hidden)?, &ends, &mut self.counted)?;
        let logits = logits.flatten_all()?.to_vec1::<f32>()?;
        let mut values = Vec::with_capacity(self.request.sites.len());
        for site in &self.request.sites {
            values.push(if *site == Site::Logits { logits.clone() } else { capture.take(*site)? });
        }
        Ok((logits, values))
    }

    /// One sequence's vectors, by site.
    fn row_of(&self, values: &[Vec<f32>], at: usize) -> Vec<Vec<f32>> {
        let row = |(site, all): (&Site, &Vec<f32>)| {
            let width = self.organism.width(*site);
            all[at * width..(at + 1) * width].to_vec()
        };
        self.request.sites.iter().zip(values).map(row).collect()
    }

    /// Hands finished rows over; gives how many.
    fn retire<E>(&mut self, finished: &mut dyn FnMut(Completion, Vec<Vec<f32>>) -> Result<(), E>) -> Result<usize, E> {
        let mut count = 0;
        let mut at = 0;
        while at < self.rows.len() {
            let row = &self.rows[at];
            // The last token is run only for its values.
            let complete = self.request.sites.is_empty() || row.fed == row.completion.tokens.len();
            if row.done(self.request) && complete {
                let row = self.rows.swap_remove(at);
                self.memory.swap_remove(at);
                let fed = row.completion.tokens.len() - usize::from(self.request.sites.is_empty());
                let fed = Sequence { first: row.prompt_tokens, tokens: fed, ..row.next() };
                self.planned.plan(self.interventions, &fed, Part::Whole);
                finished(row.completion, row.values)?;
                count += 1;
            } else {
                at += 1;
            }
        }
        Ok(count)
    }
}

impl Row {
    /// The token that is run next.
    fn next(&self) -> Sequence {
        Sequence {
            first: self.prompt_tokens + self.fed,
            tokens: 1,
            extent: Extent::growing(self.prompt_tokens),
            strength: self.completion.strength,
        }
    }

    fn push(&mut self, logits: &[f32], choice: Choice, organism: &Organism, request: &Request) {
        let step = self.completion.tokens.len();
        let token = if step < request.min_new_tokens {
            let mut open = logits.to_vec();
            for end in &organism.end_tokens {
                open.get_mut(*end as usize).into_iter().for_each(|logit| *logit = f32::NEG_INFINITY);
            }
            choice.token(&open, self.stream, step as u64)
        } else {
            choice.token(logits, self.stream, step as u64)
        };
        self.completion.tokens.push(token);
        self.completion.stopped = step >= request.min_new_tokens && organism.end_tokens.contains(&token);
    }

    fn done(&self, request: &Request) -> bool {
        self.completion.stopped || self.completion.tokens.len() >= request.max_new_tokens
    }
}
