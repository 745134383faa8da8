//! Stores activations as f16, and refuses values that do not fit.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float16Array, RecordBatch};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Float32Type, Schema};
use arrow::util::display::array_value_to_string;
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::StoreError;

/// Converts each `FixedSizeList<f32>` column. `first_row` is the number of the batch's first row in its part.
pub(crate) fn narrow(path: &Path, batch: &RecordBatch, first_row: u64) -> Result<RecordBatch, StoreError> {
    let schema = batch.schema();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let item = match field.data_type() {
            DataType::FixedSizeList(item, _) if item.data_type() == &DataType::Float32 => item,
            _ => {
                fields.push(field.clone());
                columns.push(column.clone());
                continue;
            }
        };
        let item = Arc::new(Field::clone(item).with_data_type(DataType::Float16));
        let list = column.as_fixed_size_list();
        let width = list.value_length();
        let numbers = list.values().slice(list.value_offset_at(0), list.len() * width as usize);
        let wide = numbers.as_primitive::<Float32Type>();
        let mut narrow = vec![f16::ZERO; wide.len()];
        narrow.convert_from_f32_slice(wide.values());
        let lost = |(narrow, wide): (&f16, &f32)| narrow.is_infinite() && wide.is_finite();
        if narrow.iter().zip(wide.values().iter()).any(lost) {
            let present = |at: &usize| list.is_valid(at / width as usize) && wide.is_valid(*at);
            let mut lost = (0..narrow.len()).filter(|at| lost((&narrow[*at], &wide.values()[*at]))).filter(present);
            if let Some(at) = lost.next() {
                return Err(overflow(batch, field.name(), at / width as usize, first_row, wide.value(at)));
            }
        }
        let numbers = Float16Array::new(ScalarBuffer::from(narrow), wide.nulls().cloned());
        let list = FixedSizeListArray::try_new(item.clone(), width, Arc::new(numbers), list.nulls().cloned());
        columns.push(Arc::new(list.map_err(|e| StoreError::stream(path, e))?));
        fields.push(Arc::new(Field::clone(field).with_data_type(DataType::FixedSizeList(item, width))));
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|e| StoreError::stream(path, e))
}

fn overflow(batch: &RecordBatch, site: &str, row: usize, first_row: u64, value: f32) -> StoreError {
    let id = batch.column_by_name("row_id").and_then(|ids| array_value_to_string(ids, row).ok());
    StoreError::Overflow { site: site.to_owned(), row: first_row + row as u64, row_id: id.unwrap_or_default(), value }
}
