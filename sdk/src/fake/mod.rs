//! Runs an experiment in process, without weights and without loading a library.

mod data;
mod host;
mod inside;
mod lab;
mod model;
mod sites;

pub use data::{ActivationAt, CompletionAt};
pub use lab::{FakeLab, FakeRun};
