//! What a terminal shows: plain text that fits its width.

mod grid;
mod headline;
mod scorecard;

pub use headline::headline_text;
pub use scorecard::scorecard_text;
