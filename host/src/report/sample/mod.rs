//! Made-up reports and figures, for tests.

mod figures;
mod pages;

pub use figures::{bars, hard, heatmap, lines, points};
pub use pages::{answers, comparison, report, scorecards};
