//! From rows to tokens with the ones to learn.

mod examples;
mod report;
mod show;

#[cfg(test)]
mod tests;

pub(super) use examples::of_text;
pub use examples::{Example, examples};
pub use report::DataReport;
pub use show::show;
