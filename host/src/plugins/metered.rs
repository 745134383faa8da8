//! The host as a plugin gets it: with a budget for its log, and closed once the run is cancelled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatchReader;
use emhost_abi::{Failure, Level, LogRecord, Reader, kind};

use super::Operations;

/// Log records of a cell; later ones are counted and dropped.
const MAX_RECORDS: u64 = 10_000;
/// Bytes of text in the log records of a cell.
const MAX_BYTES: u64 = 4 << 20;

/// Operations behind a meter.
pub(super) struct Metered {
    operations: Arc<dyn Operations>,
    records: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    /// The plugin was told to stop.
    cancelled: AtomicBool,
    /// It went on, and a call of it was refused.
    refused: AtomicBool,
}

impl Metered {
    pub(super) fn new(operations: Arc<dyn Operations>) -> Self {
        Self {
            operations,
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            refused: AtomicBool::new(false),
        }
    }

    /// Runs an entry of the plugin with a fresh budget. A success after refused calls is a cancellation.
    pub(super) fn metered(&self, entry: &str, body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        self.records.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        let result = body();
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let message = format!("{entry}: {dropped} more log records were dropped (limit: {MAX_RECORDS} or 4 MiB)");
            self.operations.log(LogRecord::new(Level::WARN, "emhost", &message));
        }
        if self.refused.load(Ordering::Relaxed) { Err(Failure::cancelled()) } else { result }
    }

    fn open(&self) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::Relaxed) {
            self.refused.store(true, Ordering::Relaxed);
            return Err(Failure::cancelled());
        }
        Ok(())
    }
}

impl Operations for Metered {
    fn log(&self, record: LogRecord<'_>) {
        let size = record.size() as u64;
        let records = self.records.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        if records > MAX_RECORDS || bytes > MAX_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            self.operations.log(record);
        }
    }

    fn log_level(&self) -> Level {
        self.operations.log_level()
    }

    fn progress(&self, done: u64, total: u64, message: &str) -> bool {
        let go_on = self.operations.progress(done, total, message);
        if !go_on {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        go_on
    }

    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        self.open()?;
        let broken = Broken::default();
        let input = input.map(|input| broken.watch(input));
        let (reply, stream) = self.operations.call(op, arguments, input).map_err(|failure| broken.or(failure))?;
        Ok((reply, stream.map(|stream| Box::new(Labelled(stream)) as Reader)))
    }

    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure> {
        self.open()?;
        let broken = Broken::default();
        self.operations.emit(table, broken.watch(rows)).map_err(|failure| broken.or(failure))
    }
}

/// What went wrong in a plugin's stream: an operation that fails because of it has not failed itself.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<Failure>>>);

impl Broken {
    fn watch(&self, reader: Reader) -> Reader {
        Box::new(Watched { reader, broken: self.clone() })
    }

    fn or(&self, failure: Failure) -> Failure {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(failure)
    }
}

/// A plugin's stream.
struct Watched {
    reader: Reader,
    broken: Broken,
}

impl Iterator for Watched {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.reader.next();
        if let Some(Err(error)) = &item {
            let failure = Failure::from_stream(error, kind::PLUGIN);
            *self.broken.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        }
        item
    }
}

impl RecordBatchReader for Watched {
    fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }
}

/// A stream of the host, whose errors say that they are the store's.
struct Labelled(Reader);

impl Iterator for Labelled {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map_err(|error| Failure::from_stream(&error, kind::STORAGE).to_stream()))
    }
}

impl RecordBatchReader for Labelled {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}
