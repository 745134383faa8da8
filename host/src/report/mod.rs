//! Turns a run's words, numbers, plots and tables into what a person reads: SVG, HTML and terminal text.
//!
//! Pure functions: nothing here reads a file, a clock or a model, and equal input gives equal bytes.

mod html;
mod number;
#[cfg(test)]
mod sample;
mod svg;
mod table;
mod terminal;
mod text;

pub use html::{RunReport, render_html};
pub use number::with_interval as number_with_interval;
pub use svg::{FigureError, render_svg};
pub use table::{Cell, ReportTable, table_from_batches};
pub use terminal::headline_text;
