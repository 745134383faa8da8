//! The command line.

mod args;
mod data;
mod organism;
mod plugin;
mod run;
mod vector;

pub use args::{Cli, main};
