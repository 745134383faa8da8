//! Log-probabilities of given continuations.

use rayon::prelude::*;

use crate::model::intervene::{Extent, Firings, Interventions, Part, Sequence, Steered};
use crate::model::organism::Organism;
use crate::model::packed::{Memory, Packed};
use crate::model::parallel::{in_order, lanes};
use crate::model::site::{BlockSite, Capture, Site, Untapped};
use crate::model::{ModelError, Result};

/// Tokens computed together.
pub const PASS_TOKENS: usize = 1024;
/// Bytes of logits held at once.
pub const PASS_LOGIT_BYTES: usize = 64 << 20;

/// A prompt with what may follow.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// Names the row in errors.
    pub row_id: String,
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// Tokens of each continuation.
    pub continuations: Vec<Vec<u32>>,
    /// Multiplies the strength of the interventions.
    pub strength: f64,
}

/// One continuation's score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Index of the row.
    pub row: usize,
    /// Strength of the interventions.
    pub strength: f64,
    /// Index of the continuation.
    pub continuation: usize,
    /// Natural logarithm of each token's probability.
    pub logprobs: Vec<f64>,
    /// That of the first token after each block, where it is asked for.
    pub lens: Vec<f64>,
}

/// Scores every continuation of every row at each of the strengths `doses`, in that order; gives how often the
/// interventions fired.
///
/// A prompt is computed once for its continuations. A continuation's last token is not run, nothing depends on it.
///
/// With `lens`, a first token is scored from the output of each block too, through the final norm and the head.
pub fn score<E: From<ModelError>>(
    organism: &Organism,
    rows: &[Scoring],
    doses: &[f64],
    interventions: &Interventions,
    lens: bool,
    finished: &mut dyn FnMut(Scored) -> Result<(), E>,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Firings, E> {
    let mut planned = Firings::default();
    for row in rows {
        for continuation in &row.continuations {
            if continuation.is_empty() {
                let problem = "it has a continuation without tokens".to_owned();
                return Err(ModelError::Row { row_id: row.row_id.clone(), problem }.into());
            }
            let all = [row.prompt.as_slice(), continuation].concat();
            organism.check(&row.row_id, &all, 0)?;
            interventions.check(&row.row_id, &row.extent(continuation))?;
        }
        for dose in doses {
            let prompt = row.prompt_sequence(*dose);
            planned.plan(interventions, &prompt, Part::Body);
            planned.plan(interventions, &row.prompt_end(*dose), Part::Logits);
            for continuation in &row.continuations {
                planned.plan(interventions, &row.sequence(continuation, *dose), Part::Whole);
            }
        }
    }
    let mut counted = Firings::default();
    let units: Vec<(usize, f64)> = (0..rows.len()).flat_map(|row| doses.iter().map(move |dose| (row, *dose))).collect();
    let mut passes: Vec<&[(usize, f64)]> = Vec::new();
    let (mut begin, mut tokens) = (0, 0);
    for (at, (row, _)) in units.iter().enumerate() {
        let more = rows[*row].tokens();
        if at > begin && tokens + more > PASS_TOKENS {
            passes.push(&units[begin..at]);
            (begin, tokens) = (at, 0);
        }
        tokens += more;
    }
    passes.push(&units[begin..]);
    let run = |units: &&[(usize, f64)]| {
        let mut counted = Firings::default();
        let scored = Pass { organism, interventions, rows, units, lens, counted: &mut counted }.run()?;
        Ok((units.len(), scored, counted))
    };
    let mut done = 0;
    in_order::<_, _, E>(&passes, lanes(&organism.device), run, |(count, scored, fired)| {
        scored.into_iter().try_for_each(&mut *finished)?;
        counted.merge(&fired);
        done += count;
        if progress(done) { Ok(()) } else { Err(ModelError::Cancelled.into()) }
    })?;
    counted.check(&planned)?;
    Ok(counted)
}

impl Scoring {
    /// Tokens that are run for one strength.
    pub fn tokens(&self) -> usize {
        self.prompt.len() + self.continuations.iter().map(|c| c.len() - 1).sum::<usize>()
    }

    fn extent(&self, continuation: &[u32]) -> Extent {
        let (prompt, len) = (self.prompt.len(), self.prompt.len() + continuation.len());
        Extent { prompt, answer: [prompt, len], len: Some(len) }
    }

    fn prompt_sequence(&self, dose: f64) -> Sequence {
        let tokens = self.prompt.len();
        Sequence { first: 0, tokens, extent: Extent::growing(tokens), strength: dose * self.strength }
    }

    fn prompt_end(&self, dose: f64) -> Sequence {
        Sequence { first: self.prompt.len() - 1, tokens: 1, ..self.prompt_sequence(dose) }
    }

    fn sequence(&self, continuation: &[u32], dose: f64) -> Sequence {
        let (first, tokens) = (self.prompt.len(), continuation.len() - 1);
        Sequence { first, tokens, extent: self.extent(continuation), strength: dose * self.strength }
    }
}

/// Rows scored together, each at one strength.
struct Pass<'a> {
    organism: &'a Organism,
    interventions: &'a Interventions,
    rows: &'a [Scoring],
    units: &'a [(usize, f64)],
    lens: bool,
    counted: &'a mut Firings,
}

impl Pass<'_> {
    fn run(&mut self) -> Result<Vec<Scored>> {
        let blocks = self.organism.config.blocks;
        let network = self.interventions.network(self.organism);
        let prompts: Vec<&[u32]> = self.units.iter().map(|(row, _)| self.rows[*row].prompt.as_slice()).collect();
        let sequences: Vec<Sequence> =
            self.units.iter().map(|(row, dose)| self.rows[*row].prompt_sequence(*dose)).collect();
        let mut memory = vec![Memory::empty(blocks); prompts.len()];
        let outputs: Vec<Site> =
            (0..blocks).filter(|_| self.lens).map(|block| Site::Block(block, BlockSite::ResidPost)).collect();
        let ends = prompts.iter().scan(0, |end, prompt| {
            *end += prompt.len() as u32;
            Some(*end - 1)
        });
        let mut kept = Capture::of_tokens(&outputs, ends.collect());
        let mut tap = Steered::new(self.interventions, &sequences, Part::Body, &mut kept, self.counted);
        let hidden = network.forward(&mut Packed::continued(&prompts, &mut memory), &mut tap)?;

        // The first tokens are scored by the prompts' last tokens.
        let mut scored = Vec::new();
        let (mut places, mut end) = (Vec::new(), 0);
        for (unit, (row, dose)) in self.units.iter().enumerate() {
            let row_index = *row;
            let row = &self.rows[row_index];
            end += row.prompt.len();
            let targets =
                row.continuations.iter().enumerate().map(|(number, c)| (scored.len() + number, c[0])).collect();
            places.push(Place { row: row_index, token: end - 1, sequence: row.prompt_end(*dose), targets });
            for (number, continuation) in row.continuations.iter().enumerate() {
                let logprobs = Vec::with_capacity(continuation.len());
                let strength = sequences[unit].strength;
                scored.push(Scored { row: row_index, strength, continuation: number, logprobs, lens: Vec::new() });
            }
        }
        self.read(&hidden, &places, &mut scored)?;
        for site in &outputs {
            self.look(&kept.taken[site], &places, &mut scored)?;
        }

        // Every other token by the one before it.
        let (mut tokens, mut sequences, mut memories): (Vec<&[u32]>, Vec<Sequence>, Vec<Memory>) = Default::default();
        let (mut places, mut end, mut number) = (Vec::new(), 0, 0);
        for ((row_index, dose), memory) in self.units.iter().zip(memory) {
            let row = &self.rows[*row_index];
            for continuation in &row.continuations {
                let sequence = row.sequence(continuation, *dose);
                for at in 0..sequence.tokens {
                    let one = Sequence { first: sequence.first + at, tokens: 1, ..sequence };
                    places.push(Place {
                        row: *row_index,
                        token: end + at,
                        sequence: one,
                        targets: vec![(number, continuation[at + 1])],
                    });
                }
                if sequence.tokens > 0 {
                    tokens.push(&continuation[..sequence.tokens]);
                    sequences.push(sequence);
                    memories.push(memory.clone());
                }
                end += sequence.tokens;
                number += 1;
            }
        }
        if !tokens.is_empty() {
            let mut tap = Untapped;
            let mut tap = Steered::new(self.interventions, &sequences, Part::Body, &mut tap, self.counted);
            let hidden = network.forward(&mut Packed::continued(&tokens, &mut memories), &mut tap)?;
            self.read(&hidden, &places, &mut scored)?;
        }
        Ok(scored)
    }

    /// Appends what a block's output `[places, width]` says of the targets of `places`.
    fn look(&self, output: &candle_core::Tensor, places: &[Place], scored: &mut [Scored]) -> Result<()> {
        let vocabulary = self.organism.config.vocab;
        let network = self.interventions.network(self.organism);
        let held = (PASS_LOGIT_BYTES / (4 * vocabulary)).max(1);
        for (number, places) in places.chunks(held).enumerate() {
            let output = output.narrow(0, number * held, places.len())?;
            let logits = network.logits(&network.finish(&output, &mut Untapped)?)?.flatten_all()?.to_vec1::<f32>()?;
            for (place, logits) in places.iter().zip(logits.chunks(vocabulary)) {
                let normaliser = log_sum_exp(logits);
                for (number, target) in &place.targets {
                    scored[*number].lens.push(f64::from(logits[*target as usize]) - normaliser);
                }
            }
        }
        Ok(())
    }

    /// Appends the log-probabilities of the targets of `places`.
    fn read(&mut self, hidden: &candle_core::Tensor, places: &[Place], scored: &mut [Scored]) -> Result<()> {
        let vocabulary = self.organism.config.vocab;
        let network = self.interventions.network(self.organism);
        for places in places.chunks((PASS_LOGIT_BYTES / (4 * vocabulary)).max(1)) {
            let tokens: Vec<u32> = places.iter().map(|place| place.token as u32).collect();
            let sequences: Vec<Sequence> = places.iter().map(|place| place.sequence).collect();
            let tokens = candle_core::Tensor::from_vec(tokens, places.len(), hidden.device())?;
            let logits = network.logits(&hidden.index_select(&tokens, 0)?)?;
            let logits = self.interventions.edit_logits(logits, &sequences, self.counted)?;
            let logits = logits.flatten_all()?.to_vec1::<f32>()?;
            let normalisers: Vec<f64> = logits.par_chunks(vocabulary).map(log_sum_exp).collect();
            if let Some(at) = normalisers.iter().position(|normaliser| !normaliser.is_finite()) {
                let row_id = self.rows[places[at].row].row_id.clone();
                return Err(ModelError::NotFinite { row_id, what: "logits".to_owned() });
            }
            for ((place, logits), normaliser) in places.iter().zip(logits.chunks(vocabulary)).zip(normalisers) {
                for (number, target) in &place.targets {
                    scored[*number].logprobs.push(f64::from(logits[*target as usize]) - normaliser);
                }
            }
        }
        Ok(())
    }
}

/// A token whose logits are read.
struct Place {
    /// Index of the row.
    row: usize,
    /// In the packed batch.
    token: usize,
    /// The token as a sequence of its own.
    sequence: Sequence,
    /// What is read: a result and the token whose probability it wants.
    targets: Vec<(usize, u32)>,
}

/// `ln(sum exp(x))` in f64, with the largest taken out.
fn log_sum_exp(x: &[f32]) -> f64 {
    let largest = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    largest + x.iter().map(|x| (f64::from(*x) - largest).exp()).sum::<f64>().ln()
}
