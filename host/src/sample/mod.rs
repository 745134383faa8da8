//! Sampling: a batch that rows join and leave, prompts computed once, random numbers that depend on the row alone.

mod batch;
mod choose;
mod request;
mod score;

#[cfg(test)]
mod tests;

pub use batch::{row_limit, sample, sample_steered};
pub use request::{Completion, Prompt, Request};
pub use score::{PASS_LOGIT_BYTES, PASS_TOKENS, Scored, Scoring, score};
