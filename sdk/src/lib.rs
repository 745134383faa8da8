//! What an emhost plugin author depends on.
//!
//! A plugin is one type that implements [`Experiment`] and one line of [`export_experiment!`]. It is
//! built as a `cdylib` and run with `emhost run --plugin PATH`; `emhost plugin new NAME` writes a first
//! version. The host owns models, devices and files; the plugin asks for them through [`Lab`].
//!
//! ```
//! use emhost_sdk::prelude::*;
//!
//! /// What the user can set.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields, default)]
//! struct Params {
//!     /// Completions per question.
//!     n: usize,
//! }
//!
//! impl Default for Params {
//!     fn default() -> Self {
//!         Self { n: 2 }
//!     }
//! }
//!
//! struct Rates(Params);
//!
//! impl Experiment for Rates {
//!     type Params = Params;
//!     const NAME: &'static str = "rates";
//!     const ABOUT: &'static str = "How often does the embedded organism answer badly?";
//!     const OPERATIONS: &'static [&'static str] = &[op::SAMPLE, op::JUDGE];
//!
//!     fn new(params: Params) -> Result<Self> {
//!         Ok(Self(params))
//!     }
//!
//!     fn plan(&self) -> Result<Vec<Cell>> {
//!         ["general", "medicine"].iter().map(|bank| Cell::new(*bank, format!("questions on {bank}"), bank)).map(|cell| Ok(cell?)).collect()
//!     }
//!
//!     fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
//!         let rows = Rows::source(format!("embedded:questions/{}", cell.spec::<String>()?));
//!         let organism = Organism::base("embedded");
//!         let answers = lab.sample(&Sample { n: self.0.n, ..Sample::new(organism, rows) })?;
//!         lab.emit("scores", lab.judge("lexicon", &answers)?)
//!     }
//!
//!     fn summarize(&self, lab: &Lab) -> Result<()> {
//!         let scores = lab.open_table("scores")?.table()?;
//!         let bad = scores.f64("alignment")?.iter().filter(|&&score| score < 30.0).count();
//!         lab.emit("rates", Table::new().with_u64("bad", [bad as u64]).with_u64("n", [scores.rows() as u64]))
//!     }
//! }
//!
//! emhost_sdk::export_experiment!(Rates);
//!
//! // A unit test needs neither weights nor a library:
//! let run = FakeLab::new().scores(|_, _| [10.0, 90.0]).run::<Rates>(serde_json::json!({"n": 3}))?;
//! assert_eq!(run.table("rates")?.u64("bad")?, [2 * 12 * 3]);
//! # Ok::<(), emhost_sdk::Error>(())
//! ```
//!
//! # What to know
//!
//! - `tracing` events (use `emhost_sdk::tracing::info!` and the like) and panics arrive in the run's log.
//! - A panic ends the cell, not the host. Errors keep the host's kind through `?`.
//! - Set no `#[global_allocator]` and link no model code: a plugin lives in the host's process.

#![warn(missing_docs)]

mod error;
mod experiment;
mod export;
mod fake;
mod lab;
mod logging;
mod params;
pub mod prelude;
mod table;

pub use emhost_abi::{Reader, wire};
pub use error::{Error, Result};
pub use experiment::Experiment;
pub use fake::{ActivationAt, CompletionAt, FakeLab, FakeRun};
pub use lab::Lab;
pub use table::{IntoReader, Stream, Table, Vectors};

pub use {arrow, schemars, serde_json, tracing};

#[doc(hidden)]
pub mod __private {
    pub use crate::export::{Exported, Library};
    pub use emhost_abi::export_plugin;
}
