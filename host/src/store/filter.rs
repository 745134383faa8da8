//! Keeps the rows whose text columns equal given values.

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar, StringArray};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{and, cast, prep_null_mask_filter};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// Whether a column can be compared with text.
pub(crate) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// True where each column equals its value; null is never equal.
pub(crate) fn matches(columns: &[ArrayRef], values: &[String]) -> Result<Option<BooleanArray>, ArrowError> {
    let mut all: Option<BooleanArray> = None;
    for (column, value) in columns.iter().zip(values) {
        let text = cast(column, &DataType::LargeUtf8)?;
        let wanted = cast(&StringArray::from(vec![value.as_str()]), &DataType::LargeUtf8)?;
        let equal = eq(&text, &Scalar::new(wanted))?;
        let equal = if equal.null_count() > 0 { prep_null_mask_filter(&equal) } else { equal };
        all = Some(match all {
            Some(before) => and(&before, &equal)?,
            None => equal,
        });
    }
    Ok(all)
}
