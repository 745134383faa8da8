//! A run's report as one self-contained page.

mod page;
mod sections;
mod tables;
#[cfg(test)]
mod tests;

pub use page::{RunReport, render_html};
