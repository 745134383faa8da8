//! Turns a run's words, numbers, plots and tables into what a person reads: SVG, HTML and terminal text.
//!
//! Pure functions: nothing here reads a file, a clock or a model, and equal input gives equal bytes.

mod answers;
#[cfg(test)]
mod colour;
mod comparison;
mod html;
mod number;
#[cfg(test)]
mod sample;
mod scorecard;
mod svg;
mod table;
mod terminal;
mod text;

pub use answers::{AnswersError, ReportAnswers, ShownAnswer, Spread, answers_from_batches};
pub use comparison::{
    ComparedRun, ComparisonReport, Difference, Metric, Parameter, Value as MetricValue, independent_difference,
    metrics, parameters,
};
pub use html::{RunReport, render_comparison, render_html, render_scorecards};
pub use number::with_interval as number_with_interval;
pub use scorecard::{ScoreVerdict, Scorecard, ScoredClaim};
pub use svg::{FigureError, render_svg};
pub use table::{Cell, ReportTable, table_from_batches};
pub use terminal::{headline_text, scorecard_text};
