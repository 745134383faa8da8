//! The two sides as plain Rust traits.

use arrow::record_batch::RecordBatchReader;

use crate::{Failure, Level, LogRecord};

/// A stream of record batches.
pub type Reader = Box<dyn RecordBatchReader + Send>;

/// What a plugin can ask of its host.
pub trait Host: Send + Sync {
    /// Adds a line to the run's log.
    fn log(&self, record: LogRecord<'_>);

    /// The least important level that is worth sending.
    fn log_level(&self) -> Level {
        Level::INFO
    }

    /// Shows how far the cell is; false once the run is cancelled.
    fn progress(&self, done: u64, total: u64, message: &str) -> bool;

    /// Calls an operation of [`wire::op`](crate::wire::op).
    ///
    /// # Errors
    ///
    /// The operation's own failure, with its kind.
    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure>;

    /// Writes a table of the cell. Tables are closed when this returns and stay readable whatever happens next.
    ///
    /// # Errors
    ///
    /// A storage failure, or what went wrong in the stream.
    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure>;
}

/// An experiment with its parameters.
pub trait Plugin: Send + Sync {
    /// The run's cells, a JSON list of [`wire::Cell`](crate::wire::Cell). Pure.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn plan(&self) -> Result<String, Failure>;

    /// Runs one cell, a JSON [`wire::Cell`](crate::wire::Cell).
    ///
    /// # Errors
    ///
    /// The plugin's own, or a host operation's, passed on.
    fn run(&self, cell: &str) -> Result<(), Failure>;

    /// Reads the cells' tables and emits the results.
    ///
    /// # Errors
    ///
    /// The plugin's own, or a host operation's, passed on.
    fn summarize(&self) -> Result<(), Failure>;
}
