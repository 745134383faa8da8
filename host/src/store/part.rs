//! Appends record batches to the numbered Parquet files of one part, holding at most one row group in memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::file::writer::SerializedFileWriter;

use super::StoreError;
use super::encode::{fixed_row_bytes, start_file, write_group};
use super::hashed::HashedFile;
use super::manifest::{Column, FileEntry, Part, PartEntry, RowGroup, Span, file_name};
use super::narrow::narrow;
use super::writer::{ActivationType, WriteOptions};

/// Rows are collected until a row group is full, then encoded and appended.
pub(crate) struct PartWriter {
    folder: PathBuf,
    part: Part,
    options: WriteOptions,
    schema: Option<SchemaRef>,
    rows_per_group: usize,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    rows: u64,
    open: Option<GroupFile>,
    files: Vec<FileEntry>,
}

impl PartWriter {
    pub(crate) fn new(folder: &Path, part: Part, options: WriteOptions) -> Self {
        Self {
            folder: folder.to_owned(),
            part,
            options,
            schema: None,
            rows_per_group: 1,
            pending: Vec::new(),
            pending_rows: 0,
            rows: 0,
            open: None,
            files: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let batch = match self.options.activations {
            ActivationType::F16 => narrow(&self.folder, batch, self.rows)?,
            ActivationType::AsGiven => batch.clone(),
        };
        match &self.schema {
            Some(schema) => self.expect(schema, &batch)?,
            None => self.adopt(batch.schema())?,
        }
        self.rows += batch.num_rows() as u64;
        let mut batch = batch;
        while batch.num_rows() > 0 {
            let taken = batch.num_rows().min(self.rows_per_group - self.pending_rows);
            self.pending.push(batch.slice(0, taken));
            self.pending_rows += taken;
            batch = batch.slice(taken, batch.num_rows() - taken);
            if self.pending_rows == self.rows_per_group {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left and closes the last file; nothing if no batch ever came.
    pub(crate) fn finish(&mut self) -> Result<Option<PartEntry>, StoreError> {
        let Some(schema) = self.schema.clone() else { return Ok(None) };
        if self.pending_rows > 0 {
            self.flush()?;
        }
        if self.open.is_none() && self.files.is_empty() {
            self.open = Some(self.start(&schema)?);
        }
        self.roll()?;
        let files = std::mem::take(&mut self.files);
        Ok(Some(PartEntry { part: self.part, rows: self.rows, columns: Column::of(&schema), files }))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let Some(schema) = self.schema.clone() else { return Ok(()) };
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.start(&schema)?,
        };
        open.append(&self.pending)?;
        self.pending.clear();
        self.pending_rows = 0;
        let full = open.bytes() >= self.options.file_bytes;
        self.open = Some(open);
        if full { self.roll() } else { Ok(()) }
    }

    fn start(&self, schema: &SchemaRef) -> Result<GroupFile, StoreError> {
        let path = self.folder.join(file_name(self.part, self.files.len()));
        let file = File::create_new(&path).map_err(|e| StoreError::io("write", &path, e))?;
        GroupFile::start(&path, file, schema.clone())
    }

    fn roll(&mut self) -> Result<(), StoreError> {
        if let Some(open) = self.open.take() {
            let name = file_name(self.part, self.files.len());
            self.files.push(open.finish(name)?);
        }
        Ok(())
    }

    fn adopt(&mut self, schema: SchemaRef) -> Result<(), StoreError> {
        let fault = |column: &str, why: &str| StoreError::Schema {
            path: self.folder.clone(),
            column: column.to_owned(),
            why: why.to_owned(),
        };
        if schema.column_with_name("row_id").is_none() {
            return Err(fault("row_id", "each part needs it, it ties activations to their rows"));
        }
        for (number, field) in schema.fields().iter().enumerate() {
            if schema.fields()[..number].iter().any(|f| f.name() == field.name()) {
                return Err(fault(field.name(), "two columns have this name"));
            }
        }
        let row_bytes = fixed_row_bytes(&schema).max(1);
        let automatic = (self.options.group_bytes / row_bytes).clamp(1, MAX_GROUP_ROWS);
        self.rows_per_group = self.options.rows_per_group.unwrap_or(automatic).max(1);
        self.schema = Some(schema);
        Ok(())
    }

    fn expect(&self, schema: &SchemaRef, batch: &RecordBatch) -> Result<(), StoreError> {
        if batch.schema_ref() == schema {
            return Ok(());
        }
        let got = batch.schema();
        let width = schema.fields().len().max(got.fields().len());
        let differs = (0..width).find(|i| schema.fields().get(*i) != got.fields().get(*i));
        let name = |s: &SchemaRef, i: usize| s.fields().get(i).map_or("nothing".to_owned(), |f| f.to_string());
        let at = differs.unwrap_or(0);
        Err(StoreError::Schema {
            path: self.folder.clone(),
            column: schema.fields().get(at).or(got.fields().get(at)).map_or_else(String::new, |f| f.name().clone()),
            why: format!("the first batch had {}, this one has {}", name(schema, at), name(&got, at)),
        })
    }
}

/// A bound for parts of short rows.
const MAX_GROUP_ROWS: usize = 16_384;

/// One Parquet file, written row group by row group, with the digests of its spans.
pub(crate) struct GroupFile {
    path: PathBuf,
    schema: SchemaRef,
    writer: SerializedFileWriter<HashedFile>,
    header: Span,
    row_groups: Vec<RowGroup>,
}

impl GroupFile {
    pub(crate) fn start(path: &Path, file: File, schema: SchemaRef) -> Result<Self, StoreError> {
        let mut writer = start_file(HashedFile::new(file), &schema).map_err(|e| StoreError::encode(path, e))?;
        let header = end_span(path, &mut writer)?;
        Ok(Self { path: path.to_owned(), schema, writer, header, row_groups: Vec::new() })
    }

    pub(crate) fn append(&mut self, batches: &[RecordBatch]) -> Result<(), StoreError> {
        write_group(&mut self.writer, &self.schema, batches).map_err(|e| StoreError::encode(&self.path, e))?;
        let rows = batches.iter().map(|b| b.num_rows() as u64).sum();
        self.row_groups.push(RowGroup { rows, span: end_span(&self.path, &mut self.writer)? });
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.writer.inner().len()
    }

    /// Writes the footer and makes the file durable.
    pub(crate) fn finish(self, name: String) -> Result<FileEntry, StoreError> {
        let mut file = self.writer.into_inner().map_err(|e| StoreError::encode(&self.path, e))?;
        let footer = file.end_span().map_err(|e| StoreError::io("write", &self.path, e))?;
        let (bytes, blake3) = file.finish().map_err(|e| StoreError::io("write", &self.path, e))?;
        let rows = self.row_groups.iter().map(|g| g.rows).sum();
        Ok(FileEntry { name, rows, bytes, blake3, header: self.header, row_groups: self.row_groups, footer })
    }
}

fn end_span(path: &Path, writer: &mut SerializedFileWriter<HashedFile>) -> Result<Span, StoreError> {
    let span = writer.flush().and_then(|()| writer.inner_mut().end_span());
    span.map_err(|e| StoreError::io("write", path, e))
}
