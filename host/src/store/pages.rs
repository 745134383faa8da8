//! The byte layout of activation columns: plain pages whose values are one memory copy.
//!
//! The general Parquet encoder visits every number of a list. A column of vectors of one width without nulls has
//! level bytes that follow from the row count alone, so its pages are a computed preamble (page header, repetition
//! and definition levels) and then the values as they lie in memory. The reader computes the same preamble, compares,
//! and reads the values straight into an Arrow buffer; any other file takes the general decoder.
//! Source: the Parquet format's Encodings.md (RLE/bit-packing hybrid) and parquet.thrift (`PageHeader`, data page V1).

use arrow::datatypes::{DataType, Field};

/// Bytes of values per page, at least one row.
const PAGE_BYTES: usize = 8 << 20;

/// The shape of an activation column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Numbers per row.
    pub(crate) width: usize,
    /// Bytes per number: 4 for f32, 2 for f16.
    pub(crate) value_bytes: usize,
    /// Definition level of a number that is there.
    pub(crate) max_definition: u8,
}

impl Layout {
    /// The layout of a column, if it is a `FixedSizeList` of f32 or f16.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        let DataType::FixedSizeList(item, width) = field.data_type() else { return None };
        let value_bytes = match item.data_type() {
            DataType::Float32 => 4,
            DataType::Float16 => 2,
            _ => return None,
        };
        let width = usize::try_from(*width).ok().filter(|w| *w > 0)?;
        let max_definition = 1 + u8::from(field.is_nullable()) + u8::from(item.is_nullable());
        Some(Self { width, value_bytes, max_definition })
    }

    /// Bytes of one row's values.
    pub(crate) fn row_bytes(self) -> usize {
        self.width * self.value_bytes
    }

    /// The row counts of the pages of a column chunk.
    pub(crate) fn pages(self, rows: usize) -> impl Iterator<Item = usize> {
        let per_page = (PAGE_BYTES / self.row_bytes()).max(1);
        (0..rows).step_by(per_page).map(move |first| per_page.min(rows - first))
    }

    /// Everything of a page before its values.
    pub(crate) fn preamble(self, rows: usize) -> Vec<u8> {
        let mut levels = Vec::new();
        prefixed(&mut levels, &self.repetition(rows));
        let mut definition = Vec::new();
        varint(&mut definition, (rows * self.width) as u64 * 2);
        definition.push(self.max_definition);
        prefixed(&mut levels, &definition);

        let body = (levels.len() + rows * self.row_bytes()) as u64;
        let mut page = Vec::with_capacity(levels.len() + 32);
        i32_field(&mut page, 0); // type: DATA_PAGE
        i32_field(&mut page, body); // uncompressed size
        i32_field(&mut page, body); // compressed size
        page.push(0x2c); // field 5, a struct: data_page_header
        i32_field(&mut page, (rows * self.width) as u64);
        i32_field(&mut page, 0); // encoding: PLAIN
        i32_field(&mut page, 3); // definition levels: RLE
        i32_field(&mut page, 3); // repetition levels: RLE
        page.extend_from_slice(&[0, 0]); // end of both structs
        page.extend_from_slice(&levels);
        page
    }

    /// Level 0 for the first number of each row, 1 for the others.
    fn repetition(self, rows: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.width >= 8 {
            for _ in 0..rows {
                bytes.extend_from_slice(&[0b11, 0b1111_1110]); // one bit-packed group of eight: 0 1 1 1 1 1 1 1
                if self.width > 8 {
                    varint(&mut bytes, (self.width - 8) as u64 * 2);
                    bytes.push(1);
                }
            }
        } else {
            let values = rows * self.width;
            let groups = values.div_ceil(8);
            varint(&mut bytes, groups as u64 * 2 + 1);
            let start = bytes.len();
            bytes.resize(start + groups, 0xff);
            for row in 0..rows {
                let bit = row * self.width;
                bytes[start + bit / 8] &= !(1 << (bit % 8));
            }
        }
        bytes
    }
}

fn prefixed(out: &mut Vec<u8>, levels: &[u8]) {
    out.extend_from_slice(&(levels.len() as u32).to_le_bytes());
    out.extend_from_slice(levels);
}

/// Thrift compact: the next field id, type i32, zigzag.
fn i32_field(out: &mut Vec<u8>, value: u64) {
    out.push(0x15);
    varint(out, value * 2);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
