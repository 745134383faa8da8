//! Runs: a recipe becomes a plan, the plan's cells are executed or found done, and a report is written.

mod engine;
mod error;
mod folder;
mod interrupt;
mod ops;
mod progress;
mod provenance;
mod recipe;
mod show;

pub use engine::{Options, Outcome, run};
pub use error::RunError;
pub use folder::RunFolder;
pub use interrupt::Interrupt;
pub use ops::OPERATIONS;
pub use progress::{Progress, ProgressMode};
pub use recipe::{Recipe, assign};
