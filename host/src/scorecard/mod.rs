//! Scorecards: what was published, beside what a run finds.

mod fill;
mod file;
#[cfg(test)]
mod tests;

pub use file::{Claim, Expect, ScorecardFile};
pub use fill::fill;
