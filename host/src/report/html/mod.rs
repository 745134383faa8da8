//! Runs, comparisons and scorecards, each as one self-contained page.

mod answers;
mod comparison;
mod markup;
mod metrics;
mod page;
mod scorecard;
mod sections;
mod shell;
mod tables;
#[cfg(test)]
mod tests;

pub use comparison::render_comparison;
pub use page::{RunReport, render_html};
pub use scorecard::render_scorecards;
