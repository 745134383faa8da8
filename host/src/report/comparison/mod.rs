//! Several runs side by side: what was set differently, and what came out.

mod align;
mod difference;
mod runs;

pub use align::{Metric, Parameter, Value, metrics, parameters, quantities};
pub use difference::{Difference, MOVER, independent_difference};
pub use runs::{ComparedRun, ComparisonReport, letter};
