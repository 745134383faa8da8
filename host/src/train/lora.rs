//! LoRA fine-tuning.

use candle_core::Var;
use emhost_abi::wire::{Lora, Recipe, Row};

use super::data::examples;
use super::fit::{Fit, fit};
use super::step::StepResult;
use crate::model::Result;
use crate::model::adapter::Adapter;
use crate::model::organism::Organism;

/// Trains a new adapter on top of `organism`, whose own weights and adapters stay as they are.
pub fn train_lora(
    organism: &Organism,
    shape: &Lora,
    rows: &[Row],
    recipe: &Recipe,
    progress: &mut dyn FnMut(usize, StepResult) -> bool,
) -> Result<(Adapter, Fit)> {
    let examples = examples(rows, &organism.text, recipe.mask)?;
    for example in &examples {
        organism.check(&example.row_id, &example.tokens, 0)?;
    }
    let mut network = organism.network.clone();
    let mut adapter = Adapter::initial(shape, &organism.config, recipe.seed, &organism.device)?;
    let parameters = variables(&mut adapter)?;
    adapter.attach(&mut network)?;
    let fit = fit(&network, parameters, &examples, recipe, progress)?;
    Ok((adapter, fit))
}

/// Makes `A` and `B` of every pair variables, and returns them in a fixed order.
pub(super) fn variables(adapter: &mut Adapter) -> Result<Vec<Var>> {
    let mut parameters = Vec::new();
    for (_, branch) in adapter.pairs_mut() {
        for matrix in [&mut branch.a, &mut branch.b] {
            let variable = Var::from_tensor(matrix)?;
            *matrix = variable.as_tensor().clone();
            parameters.push(variable);
        }
    }
    Ok(parameters)
}
