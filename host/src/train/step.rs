//! One optimiser step.

use std::ops::Range;

use candle_core::{DType, Tensor};
use emhost_abi::wire::{Average, Recipe};

use super::around::Around;
use super::data::Example;
use super::learner::{Kind, Learner};
use super::optimiser::{AdamW, Moments, Pace};
use super::pass::{Gradients, Task, gradients};
use crate::model::network::Network;
use crate::model::parallel::{at_once, lanes};
use crate::model::{ModelError, Result};

/// Tokens of a pass. Rows are cut into passes by their lengths alone: the sums do not depend on the machine.
const PASS_TOKENS: usize = 512;

/// A learner with its optimiser.
pub struct Trainer<'a> {
    learner: &'a Learner,
    optimiser: AdamW,
    numbers: Vec<Vec<f32>>,
    moments: Vec<Moments>,
    clip: f64,
    sam: Option<f64>,
    average: Average,
    batch_rows: usize,
    recompute: bool,
    taken: usize,
}

/// The rows of a step.
pub struct Batch<'a> {
    /// Rows whose tokens are learned.
    pub rows: Vec<&'a Example>,
    /// The penalty for leaving another network.
    pub kl: Option<Penalty<'a>>,
}

/// Rows on which the divergence from another network is penalised.
pub struct Penalty<'a> {
    /// Factor of the mean divergence.
    pub weight: f64,
    /// The rows.
    pub rows: Vec<&'a Example>,
    /// The other network.
    pub from: &'a Network,
}

/// What a step saw, before it moved the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepResult {
    /// Mean over the batch, as the recipe averages, nats.
    pub loss: f64,
    /// Mean divergence from the other network, nats.
    pub kl: Option<f64>,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
    /// Learned tokens.
    pub learned: usize,
    /// Tokens.
    pub tokens: usize,
}

impl<'a> Trainer<'a> {
    /// Starts at step 0 with zero moments.
    pub fn new(learner: &'a Learner, recipe: &Recipe) -> Result<Self> {
        let optimiser = AdamW::new(recipe);
        let numbers = learner.variables.iter().map(|p| numbers(p.as_tensor())).collect::<Result<Vec<_>>>()?;
        let moments = numbers.iter().map(|p| optimiser.moments(p.len())).collect();
        Ok(Self {
            learner,
            optimiser,
            numbers,
            moments,
            clip: recipe.clip,
            sam: recipe.sam,
            average: recipe.average,
            batch_rows: recipe.batch_rows,
            recompute: recipe.recompute,
            taken: 0,
        })
    }

    /// Steps that were taken.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Parameters and moments, to go on with later.
    pub fn state(&self) -> (&[Vec<f32>], &[Moments]) {
        (&self.numbers, &self.moments)
    }

    /// Goes on where another trainer of the same learner was after `taken` steps.
    pub fn restore(&mut self, numbers: Vec<Vec<f32>>, moments: Vec<Moments>, taken: usize) -> Result<()> {
        (self.numbers, self.moments, self.taken) = (numbers, moments, taken);
        self.write(&self.numbers)
    }

    /// Forward, backward, clip (as torch's `clip_grad_norm_`), move.
    pub(super) fn step(&mut self, batch: &Batch<'_>, around: &Around<'_>, rate: f64) -> Result<StepResult> {
        let (mut result, mut slopes) = self.slopes(batch, around)?;
        if let Some(radius) = self.sam {
            let reach = radius / (result.gradient_norm + 1e-12);
            let moved = self.numbers.iter().zip(&slopes);
            let moved: Vec<Vec<f32>> = moved
                .map(|(p, g)| p.iter().zip(g).map(|(p, g)| p + (reach * f64::from(*g)) as f32).collect())
                .collect();
            self.write(&moved)?;
            let there = self.slopes(batch, around);
            self.write(&self.numbers)?;
            let (there, others) = there?;
            (result.gradient_norm, slopes) = (there.gradient_norm, others);
        }
        let shrink = (self.clip / (result.gradient_norm + 1e-6)).min(1.0);
        self.taken += 1;
        let decays = &self.learner.decays;
        for (at, gradient) in slopes.iter().enumerate() {
            let pace = Pace { shrink, step: self.taken as i32, rate, decays: decays[at] };
            self.optimiser.update(&mut self.numbers[at], gradient, &mut self.moments[at], pace);
        }
        if let Some(value) = self.numbers.iter().flatten().find(|value| !value.is_finite()) {
            let (what, value) = ("weight after it", f64::from(*value));
            return Err(diverged(what, self.taken - 1, value, &batch.rows));
        }
        self.write(&self.numbers)?;
        Ok(result)
    }

    /// Loss and gradient of a batch, with the gradient's norm.
    pub(super) fn slopes(&self, batch: &Batch<'_>, around: &Around<'_>) -> Result<(StepResult, Vec<Vec<f32>>)> {
        let mut tasks = self.tasks(&batch.rows, 1.0, None);
        if let Some(kl) = &batch.kl {
            tasks.extend(self.tasks(&kl.rows, kl.weight, Some(kl.from)));
        }
        let mut sums: Vec<Vec<f32>> = self.numbers.iter().map(|p| vec![0.0; p.len()]).collect();
        let (mut loss, mut kl) = (0.0, 0.0);
        // Gradients of a wave are held until it ends: of few passes where they are as large as the model.
        let passes = if matches!(self.learner.kind, Kind::Weights(_)) { 1 } else { 4 };
        let width = passes * lanes(&self.learner.device);
        for tasks in tasks.chunks(width) {
            let run = |task: &Task<'_>| gradients(self.learner, around, task, self.recompute);
            let found: Vec<Gradients> = at_once(tasks.iter().collect(), run)?;
            for (task, found) in tasks.iter().zip(found) {
                let sum: f64 = found.losses.iter().zip(&task.weights).map(|(loss, w)| loss * f64::from(*w)).sum();
                *if task.like.is_some() { &mut kl } else { &mut loss } += sum;
                self.finite("loss", sum, task)?;
                for (sum, gradient) in sums.iter_mut().zip(&found.of) {
                    if let Some(gradient) = gradient {
                        sum.iter_mut().zip(numbers(gradient)?).for_each(|(sum, g)| *sum += g);
                    }
                }
            }
        }
        let norm = sums.iter().map(|g| squares(g)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(diverged("gradient norm", self.taken, norm, &batch.rows));
        }
        let result = StepResult {
            loss,
            kl: batch.kl.as_ref().map(|penalty| kl / penalty.weight),
            gradient_norm: norm,
            learned: batch.rows.iter().map(|e| e.learned.len()).sum(),
            tokens: batch.rows.iter().map(|e| e.tokens.len()).sum(),
        };
        Ok((result, sums))
    }

    /// Cuts rows into passes, and gives each learned token its share of `total`.
    fn tasks<'b>(&self, rows: &[&'b Example], total: f64, like: Option<&'b Network>) -> Vec<Task<'b>> {
        let learned = |rows: &[&Example]| rows.iter().map(|e| e.learned.len()).sum::<usize>();
        let micro = rows.len().div_ceil(self.batch_rows);
        let share = |at: usize| {
            total
                / match self.average {
                    Average::Tokens => learned(rows) as f64,
                    Average::Rows => (rows.len() * rows[at].learned.len()) as f64,
                    Average::MicroBatches => {
                        let first = at / self.batch_rows * self.batch_rows;
                        (micro * learned(&rows[first..(first + self.batch_rows).min(rows.len())])) as f64
                    }
                }
        };
        let lengths: Vec<usize> = rows.iter().map(|row| row.needed()).collect();
        passes(&lengths)
            .into_iter()
            .map(|range| {
                let weights = range.clone().flat_map(|at| vec![share(at) as f32; rows[at].learned.len()]);
                Task { weights: weights.collect(), rows: rows[range].to_vec(), like }
            })
            .collect()
    }

    /// Puts numbers into the network.
    fn write(&self, numbers: &[Vec<f32>]) -> Result<()> {
        for (variable, numbers) in self.learner.variables.iter().zip(numbers) {
            let tensor = Tensor::from_slice(numbers, variable.shape(), variable.device())?;
            variable.set(&tensor.to_dtype(variable.dtype())?)?;
        }
        Ok(())
    }

    fn finite(&self, what: &'static str, value: f64, task: &Task<'_>) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        Err(diverged(what, self.taken, value, &task.rows))
    }
}

/// The error of a step with a value that is no number.
pub(super) fn diverged(what: &'static str, step: usize, value: f64, rows: &[&Example]) -> ModelError {
    let rows = rows.iter().map(|e| e.row_id.as_str()).collect::<Vec<_>>().join(", ");
    ModelError::Diverged { what, step, value, rows }
}

/// Cuts rows of the given lengths into an even number of passes of about equally many tokens.
fn passes(lengths: &[usize]) -> Vec<Range<usize>> {
    let total: usize = lengths.iter().sum();
    let count = total.div_ceil(PASS_TOKENS).next_multiple_of(2).min(lengths.len().max(1));
    let mut passes = Vec::with_capacity(count);
    let (mut start, mut tokens) = (0, 0);
    for (at, length) in lengths.iter().enumerate() {
        tokens += length;
        if 2 * tokens * count >= total * (2 * passes.len() + 2) || at + 1 == lengths.len() {
            passes.push(start..at + 1);
            start = at + 1;
        }
    }
    passes
}

/// The numbers of a tensor, as f32.
pub(super) fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// Sum of squares, in f64.
pub(super) fn squares(numbers: &[f32]) -> f64 {
    numbers.iter().map(|g| f64::from(*g).powi(2)).sum()
}
