//! Runs: a recipe becomes a plan, the plan's cells are executed or found done, and a report is written.

mod budget;
mod cells;
mod cost;
mod engine;
mod error;
mod exported;
mod folder;
mod gate;
mod interrupt;
mod keys;
mod list;
mod ops;
mod pool;
mod progress;
mod provenance;
mod recipe;
mod schema;
mod show;

pub use budget::Budget;
pub use cells::Selection;
pub use cost::{Cost, Rates};
pub use engine::{Options, Outcome, Preview, plan, run};
pub use error::RunError;
pub use exported::exported;
pub use folder::{Done, Failed, RunFolder};
pub use gate::free_bytes;
pub use interrupt::Interrupt;
pub use keys::{nearest, unknown_key};
pub use list::{Listed, State, comparison, list, named, remove};
pub use progress::{Entry, Progress, ProgressMode};
pub use provenance::RunRecord;
pub use recipe::{Recipe, Study, assign};
pub use schema::recipe_schema;
