//! The sampling loop.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::choose::Choice;
use super::request::{Completion, Request};
use crate::model::intervene::{Extent, Firings, Interventions, Part, Sequence, Steered};
use crate::model::kernels::with_numbers;
use crate::model::organism::Organism;
use crate::model::packed::{Memory, Packed};
use crate::model::parallel::{at_once, cut, parts};
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

/// What a forward pass gives for the last token of each sequence.
struct Run {
    /// `[sequences, vocabulary]`, f32 on the CPU.
    logits: Tensor,
    /// Width and vectors, by site.
    values: Vec<(usize, Vec<f32>)>,
    counted: Firings,
}

impl Run {
    fn values(&self, at: usize) -> Vec<Vec<f32>> {
        self.values.iter().map(|(width, all)| all[at * width..][..*width].to_vec()).collect()
    }
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
        new.par_iter_mut().try_for_each(|(row, logits)| row.push(logits, choice, organism, request))?;
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
        let lengths: Vec<usize> = chosen.iter().map(|w| request.prompts[w.prompt].tokens.len()).collect();
        let parts = parts(&self.organism.device, &lengths);
        let done = at_once(cut(&mut chosen, &parts), |waiting| self.prompts(waiting))?;
        for (ready, counted) in done {
            self.ready.extend(ready);
            self.counted.merge(&counted);
        }
        Ok(())
    }

    /// Runs some prompts.
    fn prompts(&self, waiting: &[Waiting]) -> Result<(Vec<Ready>, Firings)> {
        let request = self.request;
        let prompts: Vec<&[u32]> = waiting.iter().map(|w| request.prompts[w.prompt].tokens.as_slice()).collect();
        let sequence = |waiting: &Waiting| {
            let prompt = &request.prompts[waiting.prompt];
            let (tokens, extent) = (prompt.tokens.len(), Extent::growing(prompt.tokens.len()));
            Sequence { first: 0, tokens, extent, strength: self.doses[waiting.doses.start] * prompt.strength }
        };
        let sequences: Vec<Sequence> = waiting.iter().map(sequence).collect();
        let mut memory = vec![Memory::empty(self.organism.config.blocks); waiting.len()];
        let run = self.run(&prompts, &sequences, &mut memory)?;
        let vocabulary = self.organism.config.vocab;
        let logits = run.logits.flatten_all()?.to_vec1::<f32>()?;
        let ready = waiting.iter().zip(memory).enumerate().map(|(at, (waiting, memory))| Ready {
            prompt: waiting.prompt,
            doses: waiting.doses.clone(),
            memory,
            logits: Arc::new(logits[at * vocabulary..][..vocabulary].to_vec()),
            values: run.values(at),
            begun: 0,
        });
        Ok((ready.collect(), run.counted.clone()))
    }

    /// One more token for every row.
    fn decode(&mut self) -> Result<()> {
        let (mut rows, mut memory) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.memory));
        let parts = parts(&self.organism.device, &vec![1; rows.len()]);
        let jobs = cut(&mut rows, &parts).into_iter().zip(cut(&mut memory, &parts)).collect();
        let counted = at_once(jobs, |(rows, memory)| self.step(rows, memory))?;
        counted.iter().for_each(|counted| self.counted.merge(counted));
        (self.rows, self.memory) = (rows, memory);
        Ok(())
    }

    /// One more token for some rows.
    fn step(&self, rows: &mut [Row], memory: &mut [Memory]) -> Result<Firings> {
        let tokens: Vec<&[u32]> = rows.iter().map(|row| &row.completion.tokens[row.fed..=row.fed]).collect();
        let sequences: Vec<Sequence> = rows.iter().map(Row::next).collect();
        let run = self.run(&tokens, &sequences, memory)?;
        with_numbers(&run.logits, |logits| {
            let logits = logits.par_chunks(self.organism.config.vocab);
            Ok(rows.par_iter_mut().zip(logits).enumerate().try_for_each(|(at, (row, logits))| {
                row.values.iter_mut().zip(run.values(at)).for_each(|(held, more)| held.extend(more));
                row.fed += 1;
                if row.done(self.request) {
                    return Ok(());
                }
                row.push(logits, self.choice, self.organism, self.request)
            }))
        })??;
        Ok(run.counted)
    }

    /// Runs tokens of some sequences.
    fn run(&self, tokens: &[&[u32]], sequences: &[Sequence], memory: &mut [Memory]) -> Result<Run> {
        let (organism, interventions) = (self.organism, self.interventions);
        let network = interventions.network(organism);
        let last = tokens.iter().scan(0, |end, tokens| {
            *end += tokens.len() as u32;
            Some(*end - 1)
        });
        let last: Vec<u32> = last.collect();
        let mut counted = Firings::default();
        let mut capture = Capture::of_tokens(&self.inside, last.clone());
        let mut tap = Steered::new(interventions, sequences, Part::Body, &mut capture, &mut counted);
        let mut hidden = network.forward(&mut Packed::continued(tokens, memory), &mut tap)?;
        if hidden.dim(0)? > last.len() {
            hidden = hidden.index_select(&Tensor::from_vec(last, tokens.len(), hidden.device())?, 0)?;
        }
        let ends: Vec<Sequence> =
            sequences.iter().map(|s| Sequence { first: s.first + s.tokens - 1, tokens: 1, ..*s }).collect();
        let logits = interventions.edit_logits(network.logits(&hidden)?, &ends, &mut counted)?;
        let logits = logits.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let mut values = Vec::with_capacity(self.request.sites.len());
        for site in &self.request.sites {
            let numbers = match site {
                Site::Logits => logits.flatten_all()?.to_vec1()?,
                site => capture.take(*site)?,
            };
            values.push((organism.width(*site), numbers));
        }
        Ok(Run { logits, values, counted })
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

    fn push(&mut self, logits: &[f32], choice: Choice, organism: &Organism, request: &Request) -> Result<()> {
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
        let Some(token) = token else {
            let row_id = request.prompts[self.completion.prompt].row_id.clone();
            return Err(ModelError::NotFinite { row_id, what: format!("the logits of new token {step}") });
        };
        self.completion.tokens.push(token);
        self.completion.stopped = step >= request.min_new_tokens && organism.end_tokens.contains(&token);
        Ok(())
    }

    fn done(&self, request: &Request) -> bool {
        self.completion.stopped || self.completion.tokens.len() >= request.max_new_tokens
    }
}
