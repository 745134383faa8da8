//! What the commands `capture`, `sample` and `score` share with the operations of plugins: rows in, tables out.

mod acts;
mod capture;
mod completions;
mod divergence;
mod explain;
mod find;
mod sample;
mod score;
mod steering;

pub use capture::{CaptureTask, Captured, Columns};
pub use divergence::DivergenceTask;
pub use explain::Plan;
pub use find::{adapter_folder, find};
pub use sample::{SampleTask, Sampled};
pub use score::{ScoreTask, Scores};
pub use steering::{Steering, describe_firings};
