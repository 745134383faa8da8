//! The command line.

mod args;
mod data;
mod organism;
mod plugin;
mod run;

pub use args::{Cli, main};
