//! The sampling loop.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::choose::Choice;
use crate::model::organism::Organism;
use crate::model::packed::{Memory, Packed};
use crate::model::site::Untapped;
use crate::model::{ModelError, Result};
use crate::rng::Stream;

/// Rows decoded together.
const ROWS: usize = 256;
/// Prompt tokens computed together.
const PROMPT_TOKENS: usize = 4096;

/// What to sample.
#[derive(Debug, Clone)]
pub struct Request {
    /// The prompts.
    pub prompts: Vec<Prompt>,
    /// Completions per prompt.
    pub n: usize,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f64,
    /// Nucleus mass.
    pub top_p: f64,
    /// Longest completion.
    pub max_new_tokens: usize,
    /// Seed of the run.
    pub seed: u64,
}

/// A prompt as tokens.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Names the random numbers together with seed, sample and step.
    pub row_id: String,
    /// Its tokens.
    pub tokens: Vec<u32>,
}

/// One completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Index of the prompt.
    pub prompt: usize,
    /// Number among the prompt's completions.
    pub sample: usize,
    /// New tokens, the end token included.
    pub tokens: Vec<u32>,
    /// An end token stopped it, not the length.
    pub stopped: bool,
}

/// A prompt whose first token can be drawn.
struct Ready {
    prompt: usize,
    memory: Memory,
    logits: Vec<f32>,
    next_sample: usize,
}

struct Row {
    completion: Completion,
    stream: Stream,
}

/// Samples all completions, in the order of prompts and samples.
///
/// `progress` is told how many are finished, and returns false to stop.
pub fn sample(
    organism: &Organism,
    request: &Request,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Completion>> {
    let choice = Choice { temperature: request.temperature, top_p: request.top_p };
    if !(request.temperature >= 0.0 && request.top_p > 0.0 && request.top_p <= 1.0 && request.max_new_tokens > 0) {
        return Err(ModelError::Recipe(
            "sampling needs temperature >= 0, top_p in (0, 1] and max_new_tokens >= 1".to_owned(),
        ));
    }
    for prompt in &request.prompts {
        organism.check(&prompt.row_id, &prompt.tokens, request.max_new_tokens)?;
    }
    let mut waiting: VecDeque<usize> =
        if request.n == 0 { VecDeque::new() } else { (0..request.prompts.len()).collect() };
    let mut ready: VecDeque<Ready> = VecDeque::new();
    let (mut rows, mut memory): (Vec<Row>, Vec<Memory>) = (Vec::new(), Vec::new());
    let mut finished = Vec::with_capacity(request.prompts.len() * request.n);
    loop {
        while rows.len() < ROWS {
            if ready.is_empty() {
                if waiting.is_empty() {
                    break;
                }
                ready.extend(prefill(organism, request, &mut waiting, ROWS - rows.len())?);
            }
            let Some(first) = ready.front_mut() else { break };
            let prompt = &request.prompts[first.prompt];
            let sample = first.next_sample;
            let stream =
                Stream::new(request.seed, &[b"sample", prompt.row_id.as_bytes(), &(sample as u64).to_le_bytes()]);
            let completion = Completion { prompt: first.prompt, sample, tokens: Vec::new(), stopped: false };
            let mut row = Row { completion, stream };
            row.push(&first.logits, choice, organism);
            first.next_sample += 1;
            let shared = first.memory.clone();
            if first.next_sample == request.n {
                ready.pop_front();
            }
            if row.done(request) {
                finished.push(row.completion);
            } else {
                rows.push(row);
                memory.push(shared);
            }
        }
        if !progress(finished.len()) {
            return Err(ModelError::Cancelled);
        }
        if rows.is_empty() {
            break;
        }
        decode(organism, choice, &mut rows, &mut memory)?;
        let mut at = 0;
        while at < rows.len() {
            if rows[at].done(request) {
                finished.push(rows.swap_remove(at).completion);
                memory.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }
    finished.sort_by_key(|c| (c.prompt, c.sample));
    Ok(finished)
}

/// Computes waiting prompts together until their completions fill `room` rows or the batch is large.
fn prefill(organism: &Organism, request: &Request, waiting: &mut VecDeque<usize>, room: usize) -> Result<Vec<Ready>> {
    let (mut chosen, mut tokens) = (Vec::new(), 0);
    while let Some(&prompt) = waiting.front() {
        tokens += request.prompts[prompt].tokens.len();
        if !chosen.is_empty() && (tokens > PROMPT_TOKENS || chosen.len() * request.n >= room) {
            break;
        }
        chosen.push(prompt);
        waiting.pop_front();
    }
    let sequences: Vec<&[u32]> = chosen.iter().map(|p| request.prompts[*p].tokens.as_slice()).collect();
    let mut memory = vec![Memory::empty(organism.config.blocks); chosen.len()];
    let hidden = organism.network.forward(&mut Packed::continued(&sequences, &mut memory), &mut Untapped)?;
    let mut last = Vec::with_capacity(chosen.len());
    let mut end = 0;
    for sequence in &sequences {
        end += sequence.len();
        last.push(end as u32 - 1);
    }
    let last = candle_core::Tensor::from_vec(last, chosen.len(), &organism.device)?;
    let logits = organism.network.logits(&hidden.index_select(&last, 0)?)?.to_vec2::<f32>()?;
    let ready = chosen.into_iter().zip(memory).zip(logits);
    Ok(ready.map(|((prompt, memory), logits)| Ready { prompt, memory, logits, next_sample: 0 }).collect())
}

/// One more token for every row.
fn decode(organism: &Organism, choice: Choice, rows: &mut [Row], memory: &mut [Memory]) -> Result<()> {
    let sequences: Vec<&[u32]> =
        rows.iter().map(|row| &row.completion.tokens[row.completion.tokens.len() - 1..]).collect();
    let hidden = organism.network.forward(&mut Packed::continued(&sequences, memory), &mut Untapped)?;
    let logits = organism.network.logits(&hidden)?.flatten_all()?.to_vec1::<f32>()?;
    let vocabulary = organism.config.vocab;
    rows.par_iter_mut().zip(logits.par_chunks(vocabulary)).for_each(|(row, logits)| row.push(logits, choice, organism));
    Ok(())
}

impl Row {
    fn push(&mut self, logits: &[f32], choice: Choice, organism: &Organism) {
        let token = choice.token(logits, self.stream, self.completion.tokens.len() as u64);
        self.completion.tokens.push(token);
        self.completion.stopped = organism.end_tokens.contains(&token);
    }

    fn done(&self, request: &Request) -> bool {
        self.completion.stopped || self.completion.tokens.len() >= request.max_new_tokens
    }
}
