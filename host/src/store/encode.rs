//! Turns record batches into one row group of a Parquet file.

use std::io::{self, Read, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Float16Type, Float32Type, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnDescPtr;

use super::pages::Layout;

/// Starts a Parquet file: snappy, no page index, no statistics, the Arrow schema embedded.
pub(crate) fn start_file<W: Write + Send>(out: W, schema: &Schema) -> Result<SerializedFileWriter<W>> {
    let mut properties = WriterProperties::builder()
        .set_created_by(format!("emhost {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    add_encoded_arrow_schema_to_metadata(schema, &mut properties);
    let parquet_schema = ArrowSchemaConverter::new().convert(schema)?;
    SerializedFileWriter::new(out, parquet_schema.root_schema_ptr(), Arc::new(properties))
}

/// Appends the batches as one row group. The bytes do not depend on how the rows were split into batches.
pub(crate) fn write_group<W: Write + Send>(
    file: &mut SerializedFileWriter<W>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<()> {
    let factory = ArrowRowGroupWriterFactory::new(file, schema.clone());
    let mut writers = factory.create_column_writers(file.flushed_row_groups().len())?.into_iter();
    let mut chunks = Vec::new();
    let mut leaf = 0;
    for (index, field) in schema.fields().iter().enumerate() {
        let columns: Vec<ArrayRef> = batches.iter().map(|b| b.column(index).clone()).collect();
        if let Some(layout) = Layout::of(field).filter(|_| columns.iter().all(complete)) {
            writers.next();
            chunks.push(Chunk::Plain(Plain::new(layout, file.schema_descr().column(leaf), &columns)?));
            leaf += 1;
            continue;
        }
        let references: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        let column = arrow::compute::concat(&references)?;
        for levels in compute_leaves(field, &column)? {
            let mut writer = writers
                .next()
                .ok_or_else(|| ParquetError::General(format!("column {} has no writer", field.name())))?;
            writer.write(&levels)?;
            chunks.push(Chunk::General(writer.close()?));
            leaf += 1;
        }
    }
    let mut group = file.next_row_group()?;
    for chunk in chunks {
        match chunk {
            Chunk::Plain(plain) => group.append_column(&plain.rope, plain.close)?,
            Chunk::General(chunk) => chunk.append_to_row_group(&mut group)?,
        }
    }
    group.close().map(drop)
}

/// Bytes per row of the columns whose size does not depend on the values.
pub(crate) fn fixed_row_bytes(schema: &Schema) -> usize {
    let column = |field: &Arc<Field>| match field.data_type() {
        DataType::FixedSizeList(item, width) => {
            usize::try_from(*width).unwrap_or(0) * item.data_type().primitive_width().unwrap_or(0)
        }
        other => other.primitive_width().unwrap_or(0),
    };
    schema.fields().iter().map(column).sum()
}

enum Chunk {
    Plain(Plain),
    General(ArrowColumnChunk),
}

/// A column chunk of plain pages that points at the arrays' own memory.
struct Plain {
    rope: Rope,
    close: ColumnCloseResult,
}

impl Plain {
    fn new(layout: Layout, descriptor: ColumnDescPtr, columns: &[ArrayRef]) -> Result<Self> {
        let rows: usize = columns.iter().map(|c| c.len()).sum();
        let mut values = columns.iter().map(values).collect::<Vec<_>>().into_iter();
        let mut pieces = Vec::new();
        let mut rest = Buffer::from_vec(Vec::<u8>::new());
        for page_rows in layout.pages(rows) {
            pieces.push(Buffer::from_vec(layout.preamble(page_rows)));
            let mut wanted = page_rows * layout.row_bytes();
            while wanted > 0 {
                if rest.is_empty() {
                    rest = values.next().ok_or_else(|| ParquetError::General("fewer values than rows".to_owned()))?;
                }
                let taken = wanted.min(rest.len());
                pieces.push(rest.slice_with_length(0, taken));
                rest = rest.slice(taken);
                wanted -= taken;
            }
        }
        let rope = Rope { pieces: pieces.into() };
        let bytes = rope.len();
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE])
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(bytes as i64)
            .set_num_values((rows * layout.width) as i64)
            .set_data_page_offset(0)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes,
            rows_written: rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Self { rope, close })
    }
}

/// No nulls, neither rows nor numbers.
fn complete(column: &ArrayRef) -> bool {
    let list = column.as_fixed_size_list();
    list.null_count() == 0 && list.values().null_count() == 0
}

/// The memory of a column of vectors.
fn values(column: &ArrayRef) -> Buffer {
    let list = column.as_fixed_size_list();
    let width = list.value_length() as usize;
    let numbers = list.values().slice(list.value_offset_at(0), list.len() * width);
    match numbers.data_type() {
        DataType::Float16 => numbers.as_primitive::<Float16Type>().values().inner().clone(),
        _ => numbers.as_primitive::<Float32Type>().values().inner().clone(),
    }
}

/// Buffers read one after another.
struct Rope {
    pieces: Arc<[Buffer]>,
}

impl Length for Rope {
    fn len(&self) -> u64 {
        self.pieces.iter().map(|p| p.len() as u64).sum()
    }
}

impl ChunkReader for Rope {
    type T = RopeReader;

    fn get_read(&self, start: u64) -> Result<RopeReader> {
        if start != 0 {
            return Err(ParquetError::General("a rope is read from its start".to_owned()));
        }
        Ok(RopeReader { pieces: self.pieces.clone(), piece: 0, offset: 0 })
    }

    fn get_bytes(&self, _: u64, _: usize) -> Result<Bytes> {
        Err(ParquetError::General("a rope is read from its start".to_owned()))
    }
}

struct RopeReader {
    pieces: Arc<[Buffer]>,
    piece: usize,
    offset: usize,
}

impl Read for RopeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.pieces.get(self.piece) {
            let rest = &piece.as_slice()[self.offset..];
            if rest.is_empty() {
                self.piece += 1;
                self.offset = 0;
                continue;
            }
            let taken = rest.len().min(out.len());
            out[..taken].copy_from_slice(&rest[..taken]);
            self.offset += taken;
            return Ok(taken);
        }
        Ok(0)
    }
}
