//! Fine-tuning and pre-training: data, optimiser, schedule and the loop.

mod adamw;
mod data;
mod fit;
mod full;
mod lora;
mod schedule;
mod step;

#[cfg(test)]
mod golden_tests;

pub use data::{Example, examples};
pub use fit::{Fit, fit};
pub use full::{Pretrain, Pretrained, pretrain};
pub use lora::train_lora;
pub use schedule::learning_rate;
pub use step::{StepResult, Trainer};
