//! The emhost library: everything that the binary does.

pub mod bank;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod embedded;
pub mod eval;
pub mod export;
pub mod finetune;
pub mod flat;
pub mod inference;
pub mod installed;
pub mod judge;
pub mod model;
pub mod plugins;
pub mod reference;
pub mod report;
pub mod rng;
pub mod rows;
pub mod run;
pub mod sample;
pub mod scorecard;
pub mod store;
pub mod trace;
pub mod train;
pub mod units;
pub mod vector;
mod version;

pub use version::{COMMIT, VERSION, version};
