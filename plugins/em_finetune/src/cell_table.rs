//! Tables of cells, whose columns have one type in every cell.

use std::sync::Arc;

use emhost_sdk::arrow::array::RecordBatch;
use emhost_sdk::arrow::datatypes::{Field, Schema};
use emhost_sdk::prelude::*;
use emhost_study::Columns;

/// Emits a table of the cell in which every column may have missing values: a cell that happens to have none could not
/// be read together with one that has.
///
/// # Errors
///
/// The disk is full, or the name is taken.
pub fn emit(lab: &Lab, name: &str, columns: Columns) -> Result<()> {
    let batch = columns.table().to_batch()?;
    let fields: Vec<Field> =
        batch.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    lab.emit(name, RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec())?)
}
