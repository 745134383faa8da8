//! Tables of a report: a readable excerpt of what the store holds in full.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use emhost_abi::wire::TableNote;

/// A table as the report shows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportTable {
    /// Name and caption.
    pub note: TableNote,
    /// Path of the full table, relative to the report; empty for none.
    pub href: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The first rows, one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Rows of the full table.
    pub total_rows: usize,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Anything else.
    Text(String),
}

/// A cell as a word, with every digit; nothing for a missing one.
impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Cell::Missing => Ok(()),
            Cell::Integer(v) => write!(f, "{v}"),
            Cell::Number(v) => write!(f, "{v}"),
            Cell::Text(text) => f.write_str(text),
        }
    }
}

/// Longest text of a cell, in characters; the rest stays in the linked file.
const LONGEST: usize = 4000;

/// The first `max_rows` rows of a table, in order.
///
/// The columns are those of the first batch; all batches of a table share a schema.
pub fn table_from_batches(
    note: TableNote,
    href: impl Into<String>,
    batches: &[RecordBatch],
    max_rows: usize,
) -> ReportTable {
    let columns = batches
        .first()
        .map(|batch| batch.schema().fields().iter().map(|f| f.name().clone()).collect())
        .unwrap_or_default();
    let mut rows = Vec::new();
    for batch in batches {
        let readers: Vec<Column> = batch.columns().iter().map(Column::new).collect();
        let wanted = batch.num_rows().min(max_rows - rows.len());
        rows.extend((0..wanted).map(|row| readers.iter().map(|column| column.cell(row)).collect::<Vec<_>>()));
    }
    let total_rows = batches.iter().map(RecordBatch::num_rows).sum();
    ReportTable { note, href: href.into(), columns, rows, total_rows }
}

/// A column whose cells can be read one by one.
pub(super) struct Column<'a> {
    array: &'a ArrayRef,
    /// The column as f64, i64 or u64 where it has such a type.
    number: Option<ArrayRef>,
    /// `None` for a type that arrow cannot print.
    printed: Option<ArrayFormatter<'a>>,
}

impl<'a> Column<'a> {
    /// Prepares a column for reading.
    pub(super) fn new(array: &'a ArrayRef) -> Self {
        let wide = match array.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(DataType::Float64),
            DataType::UInt64 => Some(DataType::UInt64),
            kind if kind.is_integer() => Some(DataType::Int64),
            _ => None,
        };
        let number = wide.and_then(|kind| widen(array, &kind));
        Self { array, number, printed: ArrayFormatter::try_new(array, &FormatOptions::new()).ok() }
    }

    /// The value of a row; long texts are cut.
    pub(super) fn cell(&self, row: usize) -> Cell {
        if self.array.is_null(row) {
            return Cell::Missing;
        }
        match self.number.as_ref().map(|number| (number, number.data_type())) {
            Some((number, DataType::Float64)) => return Cell::Number(number.as_primitive::<Float64Type>().value(row)),
            Some((number, DataType::Int64)) => return Cell::Integer(number.as_primitive::<Int64Type>().value(row)),
            Some((number, _)) => {
                let wide = number.as_primitive::<UInt64Type>().value(row);
                return i64::try_from(wide).map_or_else(|_| Cell::Text(wide.to_string()), Cell::Integer);
            }
            None => {}
        }
        let text = match &self.printed {
            Some(printed) => printed.value(row).try_to_string().unwrap_or_else(|error| format!("({error})")),
            None => format!("({})", self.array.data_type()),
        };
        Cell::Text(shorten(text))
    }
}

fn widen(array: &ArrayRef, kind: &DataType) -> Option<ArrayRef> {
    use arrow::array::Float64Array;
    match array.data_type() {
        // Through the shortest decimal of the narrow type: 0.1f32 reads 0.1, not 0.10000000149.
        DataType::Float32 => {
            let exact = array
                .as_primitive::<Float32Type>()
                .iter()
                .map(|v| v.map(|v| v.to_string().parse().unwrap_or(f64::NAN)));
            Some(std::sync::Arc::new(exact.collect::<Float64Array>()))
        }
        DataType::Float16 => {
            let exact = array.as_primitive::<Float16Type>().iter().map(|v| v.map(f64::from));
            Some(std::sync::Arc::new(exact.collect::<Float64Array>()))
        }
        _ => arrow::compute::cast(array, kind).ok(),
    }
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, Float64Array, Int32Array, ListArray, StringArray, UInt64Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn batch() -> RecordBatch {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![])]);
        RecordBatch::try_from_iter([
            ("text", Arc::new(StringArray::from(vec![Some("a"), None])) as ArrayRef),
            ("narrow", Arc::new(Float32Array::from(vec![0.1, f32::NAN]))),
            ("wide", Arc::new(Float64Array::from(vec![1.5, 2.5]))),
            ("whole", Arc::new(Int32Array::from(vec![-1, 2]))),
            ("seed", Arc::new(UInt64Array::from(vec![7, u64::MAX]))),
            ("list", Arc::new(lists)),
        ])
        .unwrap()
    }

    #[test]
    fn cells_keep_their_kind() {
        let table = table_from_batches(TableNote::default(), "t.parquet", &[batch()], 10);
        assert_eq!(table.columns, ["text", "narrow", "wide", "whole", "seed", "list"]);
        let text = |t: &str| Cell::Text(t.into());
        assert_eq!(
            table.rows[0],
            [text("a"), Cell::Number(0.1), Cell::Number(1.5), Cell::Integer(-1), Cell::Integer(7), text("[1, ]")]
        );
        assert_eq!(table.rows[1][0], Cell::Missing);
        assert!(matches!(table.rows[1][1], Cell::Number(v) if v.is_nan()));
        assert_eq!(table.rows[1][4], text("18446744073709551615"));
    }

    #[test]
    fn an_excerpt_counts_what_it_leaves_out() {
        let check = |most: usize, expected: usize| {
            let table = table_from_batches(TableNote::default(), "", &[batch(), batch()], most);
            assert_eq!((table.rows.len(), table.total_rows), (expected, 4));
        };
        check(3, 3);
        check(0, 0);
        check(100, 4);
        assert_eq!(table_from_batches(TableNote::default(), "", &[], 5).columns.len(), 0);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(shorten("é".repeat(LONGEST)), "é".repeat(LONGEST));
        assert!(shorten("é".repeat(LONGEST + 2)).ends_with("é… (2 more characters)"));
    }
}
