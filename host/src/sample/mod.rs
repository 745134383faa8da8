//! Sampling: a batch that rows join and leave, prompts computed once, random numbers that depend on the row alone.

mod batch;
mod choose;

pub use batch::{Completion, Prompt, Request, sample};
