//! What a recipe may say.

use emhost_abi::wire::{Recipe, Schedule};

use crate::model::{ModelError, Result};

/// Steps of a recipe over so many rows.
pub fn step_count(recipe: &Recipe, rows: usize) -> Result<usize> {
    let refuse = |problem: &str| Err(ModelError::Recipe(problem.to_owned()));
    /// More rows than this in one step are a slip of the pen.
    const MOST: usize = 1 << 20;
    let per_step = recipe.batch_rows.saturating_mul(recipe.accumulate);
    if per_step == 0 || per_step > MOST {
        return refuse("batch_rows and accumulate must be at least 1, and their product at most 1048576");
    }
    let steps = match (recipe.steps, recipe.epochs) {
        (Some(0), _) | (_, Some(0)) => refuse("steps or epochs must be at least 1"),
        (Some(steps), None) => Ok(steps),
        (None, Some(epochs)) => Ok(epochs * rows.div_ceil(per_step)),
        _ => refuse("give exactly one of `steps` and `epochs`"),
    }?;
    if recipe.warmup_steps > steps {
        let problem = format!("warmup_steps is {}, but there are {steps} steps", recipe.warmup_steps);
        return Err(ModelError::Recipe(problem));
    }
    Ok(steps)
}

/// An error for numbers that a recipe cannot have.
pub fn check(recipe: &Recipe) -> Result<()> {
    let refuse = |problem: String| Err(ModelError::Recipe(problem));
    let positive = |value: f64| value.is_finite() && value > 0.0;
    let share = |value: f64| (0.0..1.0).contains(&value);
    if !recipe.learning_rate.is_finite() || recipe.learning_rate < 0.0 {
        return refuse(format!("learning_rate is {}, expected a number from 0", recipe.learning_rate));
    }
    if !recipe.betas.into_iter().all(share) {
        return refuse(format!("betas are {:?}, expected two shares from 0 to below 1", recipe.betas));
    }
    for (name, value) in [("eps", recipe.eps), ("clip", recipe.clip)] {
        if !positive(value) {
            return refuse(format!("{name} is {value}, expected a positive number"));
        }
    }
    if !recipe.weight_decay.is_finite() || recipe.weight_decay < 0.0 {
        return refuse(format!("weight_decay is {}, expected a number from 0", recipe.weight_decay));
    }
    if recipe.warmup_ratio.is_some() && recipe.warmup_steps > 0 {
        return refuse("give one of `warmup_steps` and `warmup_ratio`".to_owned());
    }
    if let Some(ratio) = recipe.warmup_ratio.filter(|ratio| !(0.0..=1.0).contains(ratio)) {
        return refuse(format!("warmup_ratio is {ratio}, expected a share from 0 to 1"));
    }
    if let Some(radius) = recipe.sam.filter(|radius| !positive(*radius)) {
        return refuse(format!("sam is {radius}, expected a positive radius; leave it out for plain AdamW"));
    }
    if let Some(kl) = recipe.kl.as_ref().filter(|kl| !positive(kl.weight) || kl.batch_rows == 0) {
        return refuse(format!(
            "kl has weight {} and batch_rows {}, expected positive numbers",
            kl.weight, kl.batch_rows
        ));
    }
    if let Some(held) = &recipe.held_out {
        if held.rows.is_some() == held.share.is_some() {
            return refuse("held_out needs exactly one of `rows` and `share`".to_owned());
        }
        if let Some(share) = held.share.filter(|share| *share <= 0.0 || *share >= 1.0) {
            return refuse(format!("held_out.share is {share}, expected a share between 0 and 1"));
        }
    }
    if let Some(stop) = &recipe.early_stop {
        if stop.patience.is_some() && recipe.held_out.as_ref().is_none_or(|held| held.every == 0) {
            return refuse("early_stop.patience needs held_out with `every`".to_owned());
        }
        if stop.steps == 0 || stop.patience == Some(0) {
            return refuse("early_stop.steps and patience must be at least 1".to_owned());
        }
        if stop.loss_below.is_none() && stop.patience.is_none() {
            return refuse("early_stop needs `loss_below` or `patience`".to_owned());
        }
    }
    match recipe.schedule {
        Schedule::CosineWithRestarts { cycles: 0 } => refuse("schedule has no cycles".to_owned()),
        Schedule::Cyclic(cyclic) if cyclic.cycles == 0 || !positive(cyclic.gamma) || cyclic.base < 0.0 => {
            refuse("schedule.cyclic needs cycles from 1, a positive gamma and a base from 0".to_owned())
        }
        _ => Ok(()),
    }
}
