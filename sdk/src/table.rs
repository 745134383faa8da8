//! Tables: columns in, columns out.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, RecordBatch,
    RecordBatchIterator, StringArray, UInt64Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int64Type, Schema, UInt64Type};
use emhost_abi::{Failure, Reader, kind};

use crate::{Error, Result};

/// A table in memory: built column by column, or read from a stream.
///
/// ```
/// # use emhost_sdk::Table;
/// let table = Table::new().with_text("site", ["blocks.0.resid_post"]).with_f64("overlap", [0.25]);
/// assert_eq!(table.text("site")?, ["blocks.0.resid_post"]);
/// assert_eq!(table.f64("overlap")?, [0.25]);
/// # Ok::<(), emhost_sdk::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, ArrayRef)>,
}

/// Activations of one site: a row-major matrix `[rows, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Number of values per row.
    pub width: usize,
    /// `rows * width` values.
    pub values: Vec<f32>,
}

impl Vectors {
    /// The rows, each of `width` values.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column of text.
    pub fn with_text(self, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.with_column(name, Arc::new(StringArray::from_iter_values(values)))
    }

    /// Adds a column of numbers.
    pub fn with_f64(self, name: &str, values: impl IntoIterator<Item = f64>) -> Self {
        self.with_column(name, Arc::new(Float64Array::from_iter_values(values)))
    }

    /// Adds a column of numbers some of which are missing.
    pub fn with_optional_f64(self, name: &str, values: impl IntoIterator<Item = Option<f64>>) -> Self {
        self.with_column(name, Arc::new(Float64Array::from_iter(values)))
    }

    /// Adds a column of counts.
    pub fn with_u64(self, name: &str, values: impl IntoIterator<Item = u64>) -> Self {
        self.with_column(name, Arc::new(UInt64Array::from_iter_values(values)))
    }

    /// Adds a column of truth values.
    pub fn with_bool(self, name: &str, values: impl IntoIterator<Item = bool>) -> Self {
        self.with_column(name, Arc::new(BooleanArray::from_iter(values.into_iter().map(Some))))
    }

    /// Adds a column of vectors, `values` being row-major `[rows, width]`.
    ///
    /// # Errors
    ///
    /// The number of values is not a multiple of the width.
    pub fn with_vectors(self, name: &str, width: usize, values: Vec<f32>) -> Result<Self> {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let size =
            i32::try_from(width).map_err(|_| Error::Plugin(format!("column `{name}`: width {width} is too large")))?;
        if width == 0 || !values.len().is_multiple_of(width) {
            let got = values.len();
            return Err(Error::Plugin(format!("column `{name}`: {got} values are not whole vectors of width {width}")));
        }
        let vectors = FixedSizeListArray::try_new(item, size, Arc::new(Float32Array::from(values)), None)?;
        Ok(self.with_column(name, Arc::new(vectors)))
    }

    /// Adds a column of any Arrow type.
    pub fn with_column(mut self, name: &str, values: ArrayRef) -> Self {
        self.columns.push((name.to_owned(), values));
        self
    }

    /// The same table with only the named columns, in that order.
    ///
    /// # Errors
    ///
    /// There is no such column.
    pub fn select(&self, names: &[&str]) -> Result<Self> {
        let columns = names.iter().map(|name| Ok(((*name).to_owned(), Arc::clone(self.column(name)?))));
        Ok(Self { columns: columns.collect::<Result<_>>()? })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, values)| values.len())
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// A column as it is.
    ///
    /// # Errors
    ///
    /// There is no such column.
    pub fn column(&self, name: &str) -> Result<&ArrayRef> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, values)| values).ok_or_else(|| {
            let names: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
            Error::Plugin(format!("the table has no column `{name}`, only {}", names.join(", ")))
        })
    }

    /// A column of text; a missing value is empty.
    ///
    /// # Errors
    ///
    /// There is no such column, or it is not text.
    pub fn text(&self, name: &str) -> Result<Vec<&str>> {
        let column = self.column(name)?;
        let texts = column.as_string_opt::<i32>().ok_or_else(|| wrong_type(name, "text", column))?;
        Ok(texts.iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of numbers of any width; a missing value is NaN.
    ///
    /// # Errors
    ///
    /// There is no such column, or it does not hold numbers.
    pub fn f64(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.number(name, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// A column of counts; a missing value or a negative one is an error.
    ///
    /// # Errors
    ///
    /// There is no such column, or it does not hold counts.
    pub fn u64(&self, name: &str) -> Result<Vec<u64>> {
        let before = self.column(name)?.null_count();
        let column = self.number(name, &DataType::UInt64)?;
        let values = column.as_primitive::<UInt64Type>();
        if before + values.null_count() > 0 {
            return Err(Error::Plugin(format!("column `{name}` has missing or negative values")));
        }
        Ok(values.values().to_vec())
    }

    /// A column of whole numbers; a missing value is an error.
    ///
    /// # Errors
    ///
    /// There is no such column, or it does not hold whole numbers.
    pub fn i64(&self, name: &str) -> Result<Vec<i64>> {
        let column = self.number(name, &DataType::Int64)?;
        let values = column.as_primitive::<Int64Type>();
        if values.null_count() > 0 {
            return Err(Error::Plugin(format!("column `{name}` has missing values")));
        }
        Ok(values.values().to_vec())
    }

    /// A column of truth values; a missing value is false.
    ///
    /// # Errors
    ///
    /// There is no such column, or it does not hold truth values.
    pub fn bool(&self, name: &str) -> Result<Vec<bool>> {
        let column = self.column(name)?;
        let values = column.as_boolean_opt().ok_or_else(|| wrong_type(name, "truth values", column))?;
        Ok(values.iter().map(Option::unwrap_or_default).collect())
    }

    /// A column of vectors, stored as f32 or f16.
    ///
    /// # Errors
    ///
    /// There is no such column, it does not hold vectors, or some are missing.
    pub fn vectors(&self, name: &str) -> Result<Vectors> {
        let column = self.column(name)?;
        let lists = column.as_fixed_size_list_opt().ok_or_else(|| wrong_type(name, "vectors", column))?;
        let width = usize::try_from(lists.value_length()).unwrap_or_default();
        let items = lists.values().slice(lists.value_offset_at(0), lists.len() * width);
        if lists.null_count() + items.null_count() > 0 {
            return Err(Error::Plugin(format!("column `{name}` has missing vectors")));
        }
        let items = cast(&items, &DataType::Float32).map_err(|_| wrong_type(name, "vectors of numbers", column))?;
        Ok(Vectors { width, values: items.as_primitive::<Float32Type>().values().to_vec() })
    }

    /// A column of lists of numbers, each of its own length.
    ///
    /// # Errors
    ///
    /// There is no such column, it does not hold lists of numbers, or some are missing.
    pub fn lists(&self, name: &str) -> Result<Vec<Vec<f32>>> {
        let column = self.column(name)?;
        let lists = column.as_list_opt::<i32>().ok_or_else(|| wrong_type(name, "lists", column))?;
        if lists.null_count() > 0 {
            return Err(Error::Plugin(format!("column `{name}` has missing lists")));
        }
        let numbers = |list: Option<ArrayRef>| -> Result<Vec<f32>> {
            let Some(list) = list else { return Ok(Vec::new()) };
            let list = cast(&list, &DataType::Float32).map_err(|_| wrong_type(name, "lists of numbers", column))?;
            Ok(list.as_primitive::<Float32Type>().values().to_vec())
        };
        lists.iter().map(numbers).collect()
    }

    /// The table as one record batch.
    ///
    /// # Errors
    ///
    /// There are no columns, two have one name, or their lengths differ.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let Some((first, values)) = self.columns.first() else {
            return Err(Error::Plugin("the table has no columns".to_owned()));
        };
        let mut fields = Vec::with_capacity(self.columns.len());
        for (at, (name, column)) in self.columns.iter().enumerate() {
            if column.len() != values.len() {
                let (got, expected) = (column.len(), values.len());
                return Err(Error::Plugin(format!("column `{name}` has {got} values, but `{first}` has {expected}")));
            }
            if self.columns[..at].iter().any(|(other, _)| other == name) {
                return Err(Error::Plugin(format!("the table has two columns `{name}`")));
            }
            fields.push(Field::new(name, column.data_type().clone(), column.null_count() > 0));
        }
        let columns = self.columns.iter().map(|(_, values)| Arc::clone(values)).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
    }

    fn number(&self, name: &str, to: &DataType) -> Result<ArrayRef> {
        let column = self.column(name)?;
        if !column.data_type().is_numeric() {
            return Err(wrong_type(name, "numbers", column));
        }
        Ok(cast(column, to)?)
    }
}

fn wrong_type(name: &str, expected: &str, column: &ArrayRef) -> Error {
    Error::Plugin(format!("column `{name}` holds {}, not {expected}", column.data_type()))
}

impl From<RecordBatch> for Table {
    fn from(batch: RecordBatch) -> Self {
        let schema = batch.schema();
        let names = schema.fields().iter().map(|field| field.name().clone());
        Self { columns: names.zip(batch.columns().iter().cloned()).collect() }
    }
}

/// A table that arrives in parts.
pub struct Stream(Reader);

impl Stream {
    pub(crate) fn new(reader: Reader) -> Self {
        Self(reader)
    }

    /// Reads everything into memory.
    ///
    /// # Errors
    ///
    /// The stream's own.
    pub fn table(self) -> Result<Table> {
        let schema = self.0.schema();
        let batches = self.0.map(|batch| batch.map_err(in_stream)).collect::<Result<Vec<_>>>()?;
        Ok(concat_batches(&schema, &batches)?.into())
    }
}

impl Iterator for Stream {
    type Item = Result<Table>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map(Table::from).map_err(in_stream))
    }
}

/// The kind of a stream's error is its origin's: the host's store, or a panic in a plugin.
fn in_stream(error: arrow::error::ArrowError) -> Error {
    Failure::from_stream(&error, kind::PLUGIN).into()
}

/// What can be emitted, written or passed to an operation.
pub trait IntoReader {
    /// A stream over it.
    ///
    /// # Errors
    ///
    /// The columns do not make a table.
    fn into_reader(self) -> Result<Reader>;
}

impl IntoReader for Table {
    fn into_reader(self) -> Result<Reader> {
        self.to_batch()?.into_reader()
    }
}

impl IntoReader for &Table {
    fn into_reader(self) -> Result<Reader> {
        self.to_batch()?.into_reader()
    }
}

impl IntoReader for RecordBatch {
    fn into_reader(self) -> Result<Reader> {
        let schema = self.schema();
        Ok(Box::new(RecordBatchIterator::new([Ok(self)], schema)))
    }
}

impl IntoReader for Reader {
    fn into_reader(self) -> Result<Reader> {
        Ok(self)
    }
}

impl IntoReader for Stream {
    fn into_reader(self) -> Result<Reader> {
        Ok(self.0)
    }
}
