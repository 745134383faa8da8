//! A run for other tools: CSV, Inspect logs, TensorBoard, MLflow. Each export appears whole or not at all.

mod combinations;
mod csv;
mod error;
mod inspect;
pub mod mlflow;
mod names;
mod place;
mod run;
mod tensorboard;
mod value;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use csv::export_csv;
pub use error::{ExportError, Result};
pub use inspect::export_inspect;
pub use place::Exported;
pub use run::{Open, RunExport, TableExport};
pub use tensorboard::export_tensorboard;
