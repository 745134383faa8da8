//! The training loop: order of rows, learning rate, progress.

use candle_core::Var;
use emhost_abi::wire::Recipe;

use super::adamw::AdamW;
use super::data::Example;
use super::schedule::learning_rate;
use super::step::{StepResult, Trainer};
use crate::model::network::Network;
use crate::model::{ModelError, Result};
use crate::rng::Stream;

/// A finished fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// What each step saw, with its learning rate.
    pub steps: Vec<(StepResult, f64)>,
}

impl Fit {
    /// Mean loss over the first and over the last tenth of the steps.
    pub fn first_and_last_loss(&self) -> (f64, f64) {
        let tenth = self.steps.len().div_ceil(10);
        let mean =
            |part: &[(StepResult, f64)]| part.iter().map(|(s, _)| s.loss).sum::<f64>() / part.len().max(1) as f64;
        (mean(&self.steps[..tenth]), mean(&self.steps[self.steps.len() - tenth..]))
    }

    /// Learned tokens of all steps.
    pub fn tokens(&self) -> u64 {
        self.steps.iter().map(|(s, _)| s.tokens as u64).sum()
    }
}

/// Moves `parameters` of `network` over `recipe.steps` batches.
///
/// Rows come in a seeded order, a new one each epoch; a batch may span two epochs. `progress` is told the
/// finished steps and the last result, and returns false to stop.
pub fn fit(
    network: &Network,
    parameters: impl IntoIterator<Item = Var>,
    examples: &[Example],
    recipe: &Recipe,
    progress: &mut dyn FnMut(usize, StepResult) -> bool,
) -> Result<Fit> {
    if recipe.steps == 0 || recipe.batch_rows == 0 {
        return Err(ModelError::Recipe("steps and batch_rows must be at least 1".to_owned()));
    }
    let optimiser = AdamW { betas: recipe.betas, eps: recipe.eps, weight_decay: recipe.weight_decay };
    let mut trainer = Trainer::new(network, parameters, optimiser, recipe.clip)?;
    let mut order = (0u64..)
        .flat_map(|epoch| Stream::new(recipe.seed, &[b"row-order", &epoch.to_le_bytes()]).permutation(examples.len()));
    let mut steps = Vec::with_capacity(recipe.steps);
    for step in 0..recipe.steps {
        let batch: Vec<&Example> = order.by_ref().take(recipe.batch_rows).map(|at| &examples[at]).collect();
        let rate = learning_rate(recipe, step);
        let result = trainer.step(&batch, rate)?;
        steps.push((result, rate));
        if !progress(step + 1, result) {
            return Err(ModelError::Cancelled);
        }
    }
    Ok(Fit { steps })
}
