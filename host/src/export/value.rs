//! Values of Arrow arrays, one at a time.

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::datatypes::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow::util::display::array_value_to_string;
use serde_json::Value as Json;

use super::error::{ExportError, Result};

/// One value of a table.
#[derive(Debug)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number that was kept in at most 32 bits.
    F32(f32),
    /// A number.
    F64(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Values in order.
    List(ArrayRef),
    /// Named values: those of one row.
    Struct(&'a StructArray, usize),
    /// Dates, times and decimals, as text.
    Other(String),
}

/// The value of a row.
pub fn value(array: &dyn Array, row: usize) -> Result<Value<'_>> {
    use DataType as T;
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        T::Null => Value::Null,
        T::Boolean => Value::Bool(array.as_boolean().value(row)),
        T::Int8 => Value::Int(array.as_primitive::<Int8Type>().value(row).into()),
        T::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
        T::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
        T::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row).into()),
        T::UInt8 => Value::Int(array.as_primitive::<UInt8Type>().value(row).into()),
        T::UInt16 => Value::Int(array.as_primitive::<UInt16Type>().value(row).into()),
        T::UInt32 => Value::Int(array.as_primitive::<UInt32Type>().value(row).into()),
        T::UInt64 => Value::Int(array.as_primitive::<UInt64Type>().value(row).into()),
        T::Float16 => Value::F32(array.as_primitive::<Float16Type>().value(row).to_f32()),
        T::Float32 => Value::F32(array.as_primitive::<Float32Type>().value(row)),
        T::Float64 => Value::F64(array.as_primitive::<Float64Type>().value(row)),
        T::Utf8 => Value::Text(array.as_string::<i32>().value(row)),
        T::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row)),
        T::Utf8View => Value::Text(array.as_string_view().value(row)),
        T::Binary => Value::Bytes(array.as_binary::<i32>().value(row)),
        T::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row)),
        T::BinaryView => Value::Bytes(array.as_binary_view().value(row)),
        T::FixedSizeBinary(_) => Value::Bytes(array.as_fixed_size_binary().value(row)),
        T::List(_) => Value::List(array.as_list::<i32>().value(row)),
        T::LargeList(_) => Value::List(array.as_list::<i64>().value(row)),
        T::FixedSizeList(..) => Value::List(array.as_fixed_size_list().value(row)),
        T::Struct(_) => Value::Struct(array.as_struct(), row),
        T::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            match value(dictionary.keys(), row)? {
                Value::Int(key) => return value(dictionary.values(), usize::try_from(key).unwrap_or(usize::MAX)),
                _ => Value::Null,
            }
        }
        other => {
            let failed =
                |e| ExportError::input(format!("a value of type {other}"), format!("it has no text form: {e}"));
            Value::Other(array_value_to_string(array, row).map_err(failed)?)
        }
    })
}

impl Value<'_> {
    /// As a 64-bit float. Whole numbers beyond 2^53 are rounded to the nearest one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::F32(x) => Some(f64::from(*x)),
            Self::F64(x) => Some(*x),
            _ => None,
        }
    }

    /// As JSON. What JSON has no number for is text (`NaN`, `Infinity`, `-Infinity`), bytes are hexadecimal digits, and a
    /// 32-bit float is the shortest number that reads back as it.
    pub fn json(&self) -> Result<Json> {
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::from(*b),
            Self::Int(i) => {
                i64::try_from(*i).map(Json::from).or_else(|_| u64::try_from(*i).map(Json::from)).unwrap_or(Json::Null)
            }
            Self::F32(x) => json_number(x.to_string().parse().unwrap_or(f64::from(*x))),
            Self::F64(x) => json_number(*x),
            Self::Text(text) => Json::from(*text),
            Self::Bytes(bytes) => Json::from(hex(bytes)),
            Self::List(items) => {
                (0..items.len()).map(|row| value(items, row)?.json()).collect::<Result<Vec<Json>>>()?.into()
            }
            Self::Struct(fields, row) => {
                let field = |(name, column): (&&str, &ArrayRef)| Ok(((*name).to_owned(), value(column, *row)?.json()?));
                let named = fields.column_names();
                Json::Object(named.iter().zip(fields.columns()).map(field).collect::<Result<_>>()?)
            }
            Self::Other(text) => Json::from(text.as_str()),
        })
    }
}

/// A number in JSON; `NaN`, `Infinity` or `-Infinity` as text.
pub fn json_number(x: f64) -> Json {
    if x.is_finite() { Json::from(x) } else { Json::from(not_finite(x)) }
}

/// What protocol buffers' JSON calls a number that is not finite.
pub fn not_finite(x: f64) -> &'static str {
    match x {
        _ if x.is_nan() => "NaN",
        _ if x > 0.0 => "Infinity",
        _ => "-Infinity",
    }
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a column holds text.
pub fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Whether a column holds numbers.
pub fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_floating()
}
