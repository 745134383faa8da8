//! The command line.

mod adapter;
mod args;
mod capture;
mod data;
mod direction;
mod doctor;
mod eval;
mod judge;
mod judging;
mod organism;
mod pages;
mod plugin;
mod run;
mod runs;
mod sample;
mod score;
mod scorecard;
mod store;
mod target;
mod terminal;
mod train;
mod work;

pub use args::{Cli, main};
