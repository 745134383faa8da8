//! Scorecards: what was published, beside what a run finds.

mod file;
mod fill;

pub use file::{Claim, Expect, ScorecardFile};
pub use fill::{fill, fill_own};
