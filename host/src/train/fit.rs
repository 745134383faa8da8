//! The training loop: order of rows, learning rate, measurements, when to stop.

use emhost_abi::wire::Recipe;
use serde::{Deserialize, Serialize};

use super::around::Around;
use super::data::Example;
use super::head::losses;
use super::learner::Learner;
use super::recipe::{check, step_count};
use super::schedule::LearningRate;
use super::step::{Batch, Penalty, Trainer, diverged, squares};
use crate::model::intervene::Interventions;
use crate::model::network::Network;
use crate::model::parallel::{in_order, lanes};
use crate::model::{ModelError, Result};
use crate::rng::Stream;

/// A fine-tune that is ready to run.
pub struct Fitting<'a> {
    /// What learns.
    pub learner: &'a Learner,
    /// How.
    pub recipe: &'a Recipe,
    /// The network before this fine-tune.
    pub before: &'a Network,
    /// Edits that are active during training.
    pub interventions: &'a Interventions,
    /// Rows to learn.
    pub rows: &'a [Example],
    /// Rows on which the loss is measured.
    pub held_out: &'a [Example],
    /// Rows on which the divergence is penalised; none means those of the step.
    pub close_to: Option<&'a [Example]>,
}

/// What happened, so far or in the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Each step.
    pub steps: Vec<Step>,
    /// Each measurement on rows that are not learned.
    pub held_out: Vec<HeldOutLoss>,
    /// Frobenius norms of what learns after each step, in the order of the parameters.
    pub norms: Vec<Vec<f64>>,
    /// Why training stopped before its last step.
    pub stopped: Option<String>,
}

/// A step, before it moved the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// 0-based.
    pub step: usize,
    /// Mean over the batch as the recipe averages, nats.
    pub loss: f64,
    /// Mean divergence from the network before, nats.
    pub kl: Option<f64>,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub learning_rate: f64,
    /// Tokens.
    pub tokens: usize,
    /// Learned tokens.
    pub learned: usize,
    /// The rows, in order.
    pub rows: Vec<String>,
}

/// Loss on rows that are not learned, nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOutLoss {
    /// Steps taken before.
    pub step: usize,
    /// Mean over tokens.
    pub per_token: f64,
    /// Mean over rows, each the mean of its tokens.
    pub per_row: f64,
}

/// Sees a fine-tune as it goes on.
pub trait Watch {
    /// An error of storing, or of the model.
    type Error: From<ModelError>;

    /// After a step of `total`; false stops.
    fn step(&mut self, done: usize, total: usize, step: &Step) -> bool;

    /// What would have to be stored to go on from here. `checkpoint`: the recipe asks for it; `last`: training stops now,
    /// done or not.
    fn state(&mut self, trainer: &Trainer<'_>, fit: &Fit, checkpoint: bool, last: bool) -> Result<(), Self::Error>;
}

impl Fit {
    /// Mean loss over the first and over the last tenth of the steps.
    pub fn first_and_last_loss(&self) -> (f64, f64) {
        let tenth = self.steps.len().div_ceil(10);
        let mean = |part: &[Step]| part.iter().map(|s| s.loss).sum::<f64>() / part.len().max(1) as f64;
        (mean(&self.steps[..tenth]), mean(&self.steps[self.steps.len() - tenth..]))
    }

    /// Learned tokens of all steps.
    pub fn learned(&self) -> u64 {
        self.steps.iter().map(|s| s.learned as u64).sum()
    }
}

/// The rows of each step. With `steps` a step may span two epochs, with `epochs` the last step of one may be short.
fn batches(recipe: &Recipe, rows: usize) -> impl Iterator<Item = Vec<usize>> + use<> {
    let (seed, in_order) = (recipe.seed, recipe.in_order);
    let order = move |epoch: u64| {
        if in_order {
            return (0..rows).collect::<Vec<_>>();
        }
        Stream::new(seed, &[b"row-order", &epoch.to_le_bytes()]).permutation(rows)
    };
    let size = recipe.batch_rows * recipe.accumulate;
    let within = recipe.epochs.is_some();
    let mut waiting: std::collections::VecDeque<usize> = Default::default();
    let mut epoch = 0;
    std::iter::from_fn(move || {
        while waiting.is_empty() || !within && waiting.len() < size {
            waiting.extend(order(epoch));
            epoch += 1;
        }
        let count = size.min(waiting.len());
        Some(waiting.drain(..count).collect())
    })
}

/// Runs a fine-tune, from the start or from where `before` says.
pub fn fit<W: Watch>(
    task: &Fitting<'_>,
    trainer: &mut Trainer<'_>,
    before: Fit,
    watch: &mut W,
) -> Result<Fit, W::Error> {
    let recipe = task.recipe;
    check(recipe)?;
    let total = step_count(recipe, task.rows.len())?;
    let rates = LearningRate::new(recipe, total);
    let mut fit = before;
    let mut close = task.close_to.map(|rows| {
        let own = Recipe {
            batch_rows: recipe.kl.as_ref().map_or(1, |kl| kl.batch_rows),
            accumulate: 1,
            epochs: None,
            ..recipe.clone()
        };
        (rows, batches(&own, rows.len()).skip(trainer.taken()))
    });
    let around = |step| Around {
        interventions: task.interventions,
        vectors: &task.learner.vectors,
        dropout: task.learner.dropout,
        seed: recipe.seed,
        step,
    };
    let every = recipe.held_out.as_ref().map_or(0, |held| held.every);
    let measure = |fit: &mut Fit, step: usize| -> Result<()> {
        if !task.held_out.is_empty() && fit.held_out.last().is_none_or(|last| last.step < step) {
            let (per_token, per_row) = held_out_loss(task.learner, &around(None), task.held_out)?;
            if !per_token.is_finite() {
                return Err(diverged("held-out loss", step, per_token, &task.held_out.iter().collect::<Vec<_>>()));
            }
            fit.held_out.push(HeldOutLoss { step, per_token, per_row });
        }
        Ok(())
    };
    if fit.steps.is_empty() {
        measure(&mut fit, 0)?;
    }
    for batch in batches(recipe, task.rows.len()).skip(trainer.taken()).take(total.saturating_sub(trainer.taken())) {
        if fit.stopped.is_some() {
            break;
        }
        let step = trainer.taken();
        let rows: Vec<&Example> = batch.iter().map(|at| &task.rows[*at]).collect();
        let kl = recipe.kl.as_ref().map(|kl| {
            let rows = match &mut close {
                None => rows.clone(),
                Some((all, order)) => order.next().unwrap_or_default().into_iter().map(|at| &all[at]).collect(),
            };
            Penalty { weight: kl.weight, rows, from: task.before }
        });
        let ids = rows.iter().map(|row| row.row_id.clone()).collect();
        let rate = rates.at(step);
        let seen = trainer.step(&Batch { rows, kl }, &around(Some(step as u64)), rate)?;
        fit.steps.push(Step {
            step,
            loss: seen.loss,
            kl: seen.kl,
            gradient_norm: seen.gradient_norm,
            learning_rate: rate,
            tokens: seen.tokens,
            learned: seen.learned,
            rows: ids,
        });
        if matches!(task.learner.kind, super::Kind::Adapters(_) | super::Kind::Vectors) {
            fit.norms.push(trainer.state().0.iter().map(|numbers| squares(numbers).sqrt()).collect());
        }
        let done = step + 1;
        let last = done == total;
        if every > 0 && done.is_multiple_of(every) || last {
            measure(&mut fit, done)?;
        }
        fit.stopped = stops(recipe, &fit).filter(|_| !last);
        let last = last || fit.stopped.is_some();
        let go_on = watch.step(done, total, &fit.steps[fit.steps.len() - 1]);
        let checkpoint = recipe.checkpoint_every > 0 && done.is_multiple_of(recipe.checkpoint_every);
        watch.state(trainer, &fit, checkpoint && !last, last || !go_on)?;
        if !go_on && !last {
            return Err(ModelError::Cancelled.into());
        }
    }
    if fit.stopped.is_some() {
        let taken = trainer.taken();
        measure(&mut fit, taken)?;
    }
    Ok(fit)
}

/// Why training stops now.
fn stops(recipe: &Recipe, fit: &Fit) -> Option<String> {
    let stop = recipe.early_stop.as_ref()?;
    if let Some(below) = stop.loss_below
        && fit.steps.len() >= stop.steps
        && fit.steps.iter().rev().take(stop.steps).all(|step| step.loss < below)
    {
        return Some(format!("the loss was below {below} at {} steps in a row", stop.steps));
    }
    let patience = stop.patience?;
    let (at, best) = fit.held_out.iter().enumerate().min_by(|a, b| a.1.per_token.total_cmp(&b.1.per_token))?;
    let since = fit.held_out.len() - 1 - at;
    (since >= patience && patience > 0)
        .then(|| format!("the held-out loss has been lowest after step {}, {since} measurements ago", best.step))
}

/// Mean loss over tokens, and over rows.
fn held_out_loss(learner: &Learner, around: &Around<'_>, rows: &[Example]) -> Result<(f64, f64)> {
    const PASS_ROWS: usize = 4;
    let passes: Vec<&[Example]> = rows.chunks(PASS_ROWS).collect();
    let (mut sum, mut count, mut means) = (0.0, 0, 0.0);
    let run = |rows: &&[Example]| losses(learner, around, &rows.iter().collect::<Vec<_>>());
    in_order::<_, _, ModelError>(&passes, lanes(&learner.device), run, |losses| {
        for row in losses {
            let total = row.iter().sum::<f64>();
            sum += total;
            count += row.len();
            means += total / row.len() as f64;
        }
        Ok(())
    })?;
    Ok((sum / count as f64, means / rows.len() as f64))
}
