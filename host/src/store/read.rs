//! Streams chosen columns of a dataset, row group by row group.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow::compute::filter;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;

use super::counted::CountedFile;
use super::filter::{is_text, matches};
use super::group::OpenFile;
use super::{Dataset, FileEntry, Part, StoreError};

/// A stream of one part; see [`Dataset::read`].
#[derive(Debug)]
pub struct DatasetReader {
    folder: PathBuf,
    files: std::vec::IntoIter<FileEntry>,
    bytes: Arc<AtomicU64>,
    stored: SchemaRef,
    schema: SchemaRef,
    columns: Vec<usize>,
    filter_columns: Vec<usize>,
    filter_values: Vec<String>,
    open: Option<(OpenFile, usize)>,
    failed: bool,
}

/// A running count of the bytes that a reader took from disk.
#[derive(Debug, Clone)]
pub struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    /// Bytes so far: footers, page headers and the columns that were read.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl DatasetReader {
    pub(crate) fn new<'a>(
        dataset: &Dataset,
        part: Part,
        columns: &[String],
        filter: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, StoreError> {
        let folder = dataset.folder().to_owned();
        let none = || StoreError::NoPart { path: folder.clone(), part: part.name() };
        let entry = dataset.manifest().part(part).ok_or_else(none)?;
        let first = entry.files.first().ok_or_else(none)?;
        let bytes = Arc::new(AtomicU64::new(0));
        let open = open(&folder, first, &bytes)?;
        let stored = open.metadata.schema().clone();

        let index = |name: &String| {
            stored.fields().iter().position(|f| f.name() == name).ok_or_else(|| StoreError::UnknownColumn {
                path: folder.clone(),
                column: name.clone(),
                known: known(&stored),
            })
        };
        let columns: Vec<usize> = match columns {
            [] => (0..stored.fields().len()).collect(),
            names => names.iter().map(index).collect::<Result<_, _>>()?,
        };
        let (mut filter_columns, mut filter_values) = (Vec::new(), Vec::new());
        for (name, value) in filter {
            let column = index(name)?;
            let kind = stored.field(column).data_type();
            if !is_text(kind) {
                let why = format!("only text columns can be filtered, it is {kind}");
                return Err(StoreError::Schema { path: folder, column: name.clone(), why });
            }
            filter_columns.push(column);
            filter_values.push(value.clone());
        }
        let schema = stored.project(&columns).map_err(|e| StoreError::stream(&folder, e))?;
        let schema = Arc::new(Schema::new_with_metadata(schema.fields, stored.metadata().clone()));
        let mut files = entry.files.clone().into_iter();
        files.next();
        let open = Some((open, 0));
        Ok(Self { folder, files, bytes, stored, schema, columns, filter_columns, filter_values, open, failed: false })
    }

    /// The counter, which stays readable while the stream is consumed elsewhere.
    pub fn bytes_read(&self) -> BytesRead {
        BytesRead(self.bytes.clone())
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        loop {
            let Some((file, group)) = &mut self.open else {
                let Some(entry) = self.files.next() else { return Ok(None) };
                let file = open(&self.folder, &entry, &self.bytes)?;
                if file.metadata.schema().fields() != self.stored.fields() {
                    return Err(StoreError::corrupt(
                        file.file.path(),
                        "its columns differ from those of the first file",
                    ));
                }
                self.open = Some((file, 0));
                continue;
            };
            if *group == file.groups() {
                self.open = None;
                continue;
            }
            let (file, number) = (file.clone(), *group);
            *group += 1;
            if let Some(batch) = self.group(&file, number)? {
                return Ok(Some(batch));
            }
        }
    }

    /// The wanted rows of a group; the wanted columns are read only if there are any.
    fn group(&self, file: &OpenFile, group: usize) -> Result<Option<RecordBatch>, StoreError> {
        let decode = |e: ArrowError| StoreError::corrupt(file.file.path(), e.to_string());
        let filter_arrays = file.read(group, &self.filter_columns)?;
        let keep = matches(&filter_arrays, &self.filter_values).map_err(decode)?;
        if keep.as_ref().is_some_and(|keep| keep.true_count() == 0) {
            return Ok(None);
        }
        let rest: Vec<usize> = self.columns.iter().copied().filter(|c| !self.filter_columns.contains(c)).collect();
        let arrays = file.read(group, &rest)?;
        let known = self.filter_columns.iter().zip(&filter_arrays).chain(rest.iter().zip(&arrays));
        let known: std::collections::BTreeMap<&usize, &ArrayRef> = known.collect();
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let array = known[column];
            columns.push(match &keep {
                Some(keep) if keep.true_count() < keep.len() => filter(array, keep).map_err(decode)?,
                _ => array.clone(),
            });
        }
        RecordBatch::try_new(self.schema.clone(), columns).map(Some).map_err(decode)
    }
}

impl Iterator for DatasetReader {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = next.is_err();
        next.map_err(ArrowError::from).transpose()
    }
}

impl RecordBatchReader for DatasetReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

fn open(folder: &std::path::Path, entry: &FileEntry, bytes: &Arc<AtomicU64>) -> Result<OpenFile, StoreError> {
    let file = CountedFile::open(&folder.join(&entry.name), bytes.clone())?;
    if file.len() != entry.bytes {
        let why = format!("it has {} bytes and the manifest says {}", file.len(), entry.bytes);
        return Err(StoreError::corrupt(file.path(), why));
    }
    let metadata = file.footer(Some(&entry.footer))?;
    Ok(OpenFile { file, metadata })
}

fn known(schema: &Schema) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    names.join(", ")
}
