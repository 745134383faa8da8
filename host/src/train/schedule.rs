//! Learning-rate schedules.

use emhost_abi::wire::{Recipe, Schedule};

/// The learning rate of a 0-based step.
///
/// Rises in a straight line from zero over `warmup_steps`, then follows the schedule so that it would be
/// zero at step `steps` (transformers' `get_linear_schedule_with_warmup` and its cosine sibling).
pub fn learning_rate(recipe: &Recipe, step: usize) -> f64 {
    if step < recipe.warmup_steps {
        return recipe.learning_rate * step as f64 / recipe.warmup_steps as f64;
    }
    let left = recipe.steps.saturating_sub(recipe.warmup_steps).max(1);
    let done = (step - recipe.warmup_steps) as f64 / left as f64;
    recipe.learning_rate
        * match recipe.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => (1.0 - done).max(0.0),
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        }
}

#[cfg(test)]
mod tests {
    use emhost_abi::wire::Method;

    use super::*;

    fn check(schedule: Schedule, expected: [f64; 4]) {
        let recipe = Recipe {
            method: Method::Full,
            learning_rate: 1.0,
            schedule,
            warmup_steps: 2,
            steps: 10,
            batch_rows: 1,
            mask: Default::default(),
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.0,
            clip: 1.0,
            seed: 0,
        };
        for (step, expected) in [1, 2, 6, 9].into_iter().zip(expected) {
            assert!((learning_rate(&recipe, step) - expected).abs() < 1e-12, "{schedule:?} at {step}");
        }
    }

    #[test]
    fn schedules_warm_up_and_then_fall() {
        check(Schedule::Constant, [0.5, 1.0, 1.0, 1.0]);
        check(Schedule::Linear, [0.5, 1.0, 0.5, 0.125]);
        // cos(7 pi / 8) by hand.
        check(Schedule::Cosine, [0.5, 1.0, 0.5, 0.5 * (1.0 - 0.923_879_532_511_286_7)]);
    }
}
