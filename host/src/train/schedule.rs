//! Learning-rate schedules.

use std::f64::consts::PI;

use emhost_abi::wire::{Cyclic, CyclicMode, Recipe, Schedule};

/// A schedule over a known number of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    peak: f64,
    schedule: Schedule,
    warmup: usize,
    steps: usize,
}

impl LearningRate {
    /// The recipe's schedule over `steps` steps.
    pub fn new(recipe: &Recipe, steps: usize) -> Self {
        let share = |ratio: f64| (ratio * steps as f64).ceil() as usize;
        let warmup = recipe.warmup_ratio.map_or(recipe.warmup_steps, share);
        Self { peak: recipe.learning_rate, schedule: recipe.schedule, warmup, steps }
    }

    /// The learning rate of a 0-based step.
    ///
    /// Rises in a straight line from zero over the warm-up; after that
    /// - linear, cosine and cosine with restarts are transformers' `get_..._schedule_with_warmup`, which would be zero at
    ///   step `steps`,
    /// - cyclic is torch's `CyclicLR`, counted from the end of the warm-up.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.after_warmup(0) * step as f64 / self.warmup as f64;
        }
        self.after_warmup(step - self.warmup)
    }

    fn after_warmup(&self, step: usize) -> f64 {
        let left = self.steps.saturating_sub(self.warmup).max(1);
        let done = step as f64 / left as f64;
        self.peak
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => (1.0 - done).max(0.0),
                Schedule::Cosine => 0.5 * (1.0 + (PI * done).cos()).max(0.0),
                Schedule::CosineWithRestarts { .. } if done >= 1.0 => 0.0,
                Schedule::CosineWithRestarts { cycles } => 0.5 * (1.0 + (PI * ((cycles as f64 * done) % 1.0)).cos()),
                Schedule::Cyclic(cyclic) => return self.triangle(&cyclic, step, left),
            }
    }

    fn triangle(&self, cyclic: &Cyclic, step: usize, left: usize) -> f64 {
        let half = (left / (2 * cyclic.cycles.max(1))).max(1) as f64;
        let cycle = (1.0 + step as f64 / (2.0 * half)).floor();
        let x = 1.0 + step as f64 / (2.0 * half) - cycle;
        let height = if x <= 0.5 { x / 0.5 } else { (x - 1.0) / -0.5 };
        let scale = match cyclic.mode {
            CyclicMode::Triangular => 1.0,
            CyclicMode::Triangular2 => 0.5f64.powf(cycle - 1.0),
            CyclicMode::ExpRange => cyclic.gamma.powf(step as f64),
        };
        cyclic.base + (self.peak - cyclic.base) * height * scale
    }
}
