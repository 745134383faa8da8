//! A host without models: it echoes, keeps tables and remembers what it was told.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{RecordBatch, RecordBatchIterator};
use arrow::compute::concat_batches;
use arrow::error::ArrowError;
use emhost::plugins::{Failure, Level, LogRecord, Operations, Reader, kind};
use emhost_abi::wire::{TableOpen, op};

/// Operations that a test can look into.
#[derive(Default)]
pub struct Recorder {
    /// Tables by name; a second one of a name is added to the first.
    pub tables: Mutex<BTreeMap<String, RecordBatch>>,
    /// The log.
    pub log: Mutex<Vec<Line>>,
    /// Calls of `progress` before it says stop; 0 means never.
    pub cancel_after: u64,
    /// Calls of `progress`.
    pub progress: AtomicU64,
}

/// A line of the log.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its level.
    pub level: Level,
    /// Module that wrote it.
    pub target: String,
    /// Its text.
    pub message: String,
    /// Its fields, as JSON.
    pub fields: String,
    /// `FILE:LINE`.
    pub place: String,
}

impl Recorder {
    /// The log's lines that hold a text.
    pub fn lines(&self, text: &str) -> Vec<Line> {
        let log = self.log.lock().expect("no test panics here");
        log.iter().filter(|line| line.message.contains(text)).cloned().collect()
    }

    fn open(&self, table: &str) -> Result<Reader, Failure> {
        if table == "broken" {
            let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
            let broken = [Err(ArrowError::ParquetError("a flipped bit".to_owned()))];
            return Ok(Box::new(RecordBatchIterator::new(broken, schema)));
        }
        let tables = self.tables.lock().expect("no test panics here");
        let batch = tables.get(table).ok_or_else(|| Failure::new(kind::INPUT, format!("no table `{table}`")))?;
        Ok(Box::new(RecordBatchIterator::new([Ok(batch.clone())], batch.schema())))
    }
}

impl Operations for Recorder {
    fn log(&self, record: LogRecord<'_>) {
        self.log.lock().expect("no test panics here").push(Line {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.message().to_owned(),
            fields: record.fields().to_owned(),
            place: format!("{}:{}", record.file(), record.line()),
        });
    }

    fn progress(&self, _: u64, _: u64, _: &str) -> bool {
        let calls = self.progress.fetch_add(1, Ordering::Relaxed) + 1;
        self.cancel_after == 0 || calls <= self.cancel_after
    }

    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        match op {
            op::ECHO => Ok((arguments.to_owned(), input)),
            op::TABLE_OPEN => {
                let request: TableOpen =
                    serde_json::from_str(arguments).map_err(|error| Failure::new(kind::INPUT, error.to_string()))?;
                Ok(("{}".to_owned(), Some(self.open(&request.table)?)))
            }
            op::MODEL_INFO => Err(Failure::new(kind::MODEL, "there is no model `missing`")),
            "panic" => panic!("the host is out of luck"),
            _ => Err(Failure::plugin(format!("no operation `{op}`"))),
        }
    }

    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure> {
        let schema = rows.schema();
        let storage = |error: ArrowError| Failure::new(kind::STORAGE, error.to_string());
        let mut batches = rows.collect::<Result<Vec<_>, _>>().map_err(storage)?;
        let mut tables = self.tables.lock().expect("no test panics here");
        batches.extend(tables.remove(table));
        tables.insert(table.to_owned(), concat_batches(&schema, &batches).map_err(storage)?);
        Ok(())
    }
}
