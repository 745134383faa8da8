//! A run's result tables: one Parquet file each, written in one step.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::StoreError;
use super::atomic::publish_file;
use super::counted::CountedFile;
use super::group::OpenFile;
use super::part::GroupFile;
use super::temporary::Temporary;

/// Rows per row group of a table.
const GROUP_ROWS: usize = 65_536;

/// Writes all batches of a stream to `path`, replacing what was there in one step; gives the number of rows.
///
/// The bytes depend on the schema and the rows alone, not on how the rows came in batches.
pub fn write_table(path: &Path, reader: impl RecordBatchReader) -> Result<u64, StoreError> {
    let (mut temporary, file) = Temporary::file(path)?;
    let mut out = GroupFile::start(path, file, reader.schema())?;
    let (mut pending, mut pending_rows) = (Vec::new(), 0);
    for batch in reader {
        let mut batch = batch.map_err(|e| StoreError::stream(path, e))?;
        while batch.num_rows() > 0 {
            let taken = batch.num_rows().min(GROUP_ROWS - pending_rows);
            pending.push(batch.slice(0, taken));
            pending_rows += taken;
            batch = batch.slice(taken, batch.num_rows() - taken);
            if pending_rows == GROUP_ROWS {
                out.append(&pending)?;
                pending.clear();
                pending_rows = 0;
            }
        }
    }
    if pending_rows > 0 {
        out.append(&pending)?;
    }
    let entry = out.finish(String::new())?;
    publish_file(&mut temporary, path)?;
    Ok(entry.rows)
}

/// Opens a table; damage is an error, never a panic.
pub fn read_table(path: &Path) -> Result<TableReader, StoreError> {
    let file = CountedFile::open(path, Arc::new(AtomicU64::new(0)))?;
    let metadata = file.footer(None)?;
    Ok(TableReader { path: path.to_owned(), file: OpenFile { file, metadata }, group: 0 })
}

/// A stream of a table's row groups.
#[derive(Debug)]
pub struct TableReader {
    path: PathBuf,
    file: OpenFile,
    group: usize,
}

impl TableReader {
    fn read(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        if self.group >= self.file.groups() {
            return Ok(None);
        }
        let schema = self.schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        let group = std::mem::replace(&mut self.group, usize::MAX);
        let arrays = self.file.read(group, &columns)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.file.rows(group)?));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options);
        let batch = batch.map_err(|e| StoreError::corrupt(&self.path, e.to_string()))?;
        self.group = group + 1;
        Ok(Some(batch))
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for TableReader {
    fn schema(&self) -> SchemaRef {
        self.file.metadata.schema().clone()
    }
}
