//! Inspect logs: `EvalLog` of inspect_ai as JSON, version 2, one for each table of answers.

mod log;
mod sample;
mod tally;

pub use log::export_inspect;
