//! Decodes chosen columns of one row group.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, RecordBatch, RecordBatchReader, make_array};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use rayon::prelude::*;

use super::StoreError;
use super::counted::{CountedFile, guard};
use super::pages::Layout;

/// One Parquet file with its decoded footer.
#[derive(Debug, Clone)]
pub(crate) struct OpenFile {
    pub(crate) file: CountedFile,
    pub(crate) metadata: ArrowReaderMetadata,
}

impl OpenFile {
    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// The columns with these numbers, in this order. Nothing else is read.
    pub(crate) fn read(&self, group: usize, columns: &[usize]) -> Result<Vec<ArrayRef>, StoreError> {
        let rows = self.rows(group)?;
        let mut found = BTreeMap::new();
        let mut general = Vec::new();
        for &column in columns {
            match self.plain(group, column, rows)? {
                Some(array) => drop(found.insert(column, array)),
                None => general.push(column),
            }
        }
        general.sort_unstable();
        general.dedup();
        if !general.is_empty() {
            let batch = self.decode(group, rows, &general)?;
            found.extend(general.iter().copied().zip(batch.columns().iter().cloned()));
        }
        columns.iter().map(|c| found.get(c).cloned().ok_or_else(|| self.corrupt("a column is missing"))).collect()
    }

    pub(crate) fn rows(&self, group: usize) -> Result<usize, StoreError> {
        /// Far above what is written; a damaged count must not become an allocation.
        const LIMIT: usize = 1 << 28;
        let rows = self.metadata.metadata().row_group(group).num_rows();
        usize::try_from(rows)
            .ok()
            .filter(|r| *r <= LIMIT)
            .ok_or_else(|| self.corrupt(format!("a row group claims {rows} rows")))
    }

    /// The general decoder.
    fn decode(&self, group: usize, rows: usize, columns: &[usize]) -> Result<RecordBatch, StoreError> {
        let metadata = self.metadata.metadata();
        /// Memory that one row group may ask for.
        const LIMIT: i64 = 16 << 30;
        let schema = metadata.file_metadata().schema_descr_ptr();
        let leaves = (0..schema.num_columns()).filter(|leaf| columns.contains(&schema.get_column_root_idx(*leaf)));
        let sizes = leaves.filter_map(|leaf| metadata.row_group(group).columns().get(leaf));
        if sizes.fold(0_i64, |sum, column| sum.saturating_add(column.uncompressed_size().max(0))) > LIMIT {
            return Err(self.corrupt("a row group claims more memory than a row group may take"));
        }
        let mask = ProjectionMask::roots(&schema, columns.iter().copied());
        let batches: Vec<RecordBatch> = guard(self.file.path(), || {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
            let reader =
                builder.with_row_groups(vec![group]).with_projection(mask).with_batch_size(rows.max(1)).build()?;
            let schema = reader.schema();
            let batches = reader.collect::<Result<Vec<_>, _>>()?;
            Ok(if batches.len() == 1 { batches } else { vec![concat_batches(&schema, &batches)?] })
        })?;
        let batch = batches.into_iter().next().filter(|b| b.num_rows() == rows && b.num_columns() == columns.len());
        batch.ok_or_else(|| self.corrupt("a row group has fewer rows or columns than it claims"))
    }

    /// An activation column whose bytes are exactly those of [`Layout`]: read without decoding, pages in parallel.
    fn plain(&self, group: usize, column: usize, rows: usize) -> Result<Option<ArrayRef>, StoreError> {
        let Some(field) = self.metadata.schema().fields().get(column) else { return Ok(None) };
        let Some((layout, starts)) = self.plain_pages(group, column, rows, field) else { return Ok(None) };
        let DataType::FixedSizeList(item, width) = field.data_type() else { return Ok(None) };

        let mut values = MutableBuffer::from_len_zeroed(rows * layout.row_bytes());
        let mut rest = values.as_slice_mut();
        let mut jobs = Vec::with_capacity(starts.len());
        for (page_rows, start) in layout.pages(rows).zip(starts) {
            let (page, tail) = rest.split_at_mut(page_rows * layout.row_bytes());
            rest = tail;
            jobs.push((page_rows, start, page));
        }
        let same = jobs.into_par_iter().map(|(page_rows, start, page)| {
            let expected = layout.preamble(page_rows);
            let found = self.file.bytes_at(start, expected.len())?;
            if found != expected {
                return Ok(false);
            }
            self.file.read_at(start + expected.len() as u64, page).map(|()| true)
        });
        let same = same.try_reduce(|| true, |a, b| Ok(a && b));
        if !same.map_err(|e| StoreError::io("read", self.file.path(), e))? {
            return Ok(None);
        }
        self.list(item, *width, values.into()).map(Some)
    }

    /// The layout and the first byte of each page, if the sizes in the footer fit.
    fn plain_pages(&self, group: usize, column: usize, rows: usize, field: &Field) -> Option<(Layout, Vec<u64>)> {
        let layout = Layout::of(field)?;
        let metadata = self.metadata.metadata();
        let schema = metadata.file_metadata().schema_descr();
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == column)?;
        let chunk = metadata.row_group(group).columns().get(leaf)?;
        let size = u64::try_from(chunk.compressed_size()).ok()?;
        let values = rows.checked_mul(layout.row_bytes())?;
        if chunk.compression() != Compression::UNCOMPRESSED || values as u64 > size || size > self.file.len() {
            return None;
        }
        let mut end = u64::try_from(chunk.data_page_offset()).ok()?;
        let last = end.checked_add(size)?;
        let mut starts = Vec::new();
        for page_rows in layout.pages(rows) {
            starts.push(end);
            end += (layout.preamble(page_rows).len() + page_rows * layout.row_bytes()) as u64;
        }
        (end == last).then_some((layout, starts))
    }

    fn list(&self, item: &Arc<Field>, width: i32, values: Buffer) -> Result<ArrayRef, StoreError> {
        let fail = |e: arrow::error::ArrowError| StoreError::corrupt(self.file.path(), e.to_string());
        let size = item.data_type().primitive_width().unwrap_or(1);
        let data = arrow::array::ArrayData::builder(item.data_type().clone())
            .len(values.len() / size)
            .add_buffer(values)
            .build()
            .map_err(fail)?;
        let list = FixedSizeListArray::try_new(item.clone(), width, make_array(data), None).map_err(fail)?;
        Ok(Arc::new(list))
    }

    fn corrupt(&self, why: impl Into<String>) -> StoreError {
        StoreError::corrupt(self.file.path(), why)
    }
}
