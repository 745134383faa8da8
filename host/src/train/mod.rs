//! Fine-tuning and pre-training: data, what learns, the optimiser, schedules and the loop.

mod around;
pub mod data;
mod divergence;
mod eight_bit;
mod files;
mod fit;
mod full;
mod head;
mod learner;
mod optimiser;
mod pass;
mod recipe;
mod schedule;
mod step;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

pub use data::{DataReport, Example, examples};
pub use divergence::{Divergence, divergence};
pub use eight_bit::EightBit;
pub use fit::{Fit, Fitting, HeldOutLoss, Step, Watch, fit};
pub use full::{Pretrain, Pretrained, pretrain};
pub use learner::{Kind, Learner};
pub use optimiser::Moments;
pub use recipe::{check, step_count};
pub use schedule::LearningRate;
pub use step::Trainer;
