//! Activations as record batches: one column per site, named like the site.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::run::RunError;

/// A schema of `labels` and one column per site.
pub fn schema(labels: Vec<Field>, organism: &Organism, sites: &[Site]) -> SchemaRef {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let column = |site: &Site| {
        let width = i32::try_from(organism.width(*site)).unwrap_or(i32::MAX);
        Field::new(site.to_string(), DataType::FixedSizeList(item.clone(), width), false)
    };
    Arc::new(Schema::new(labels.into_iter().chain(sites.iter().map(column)).collect::<Vec<_>>()))
}

/// Labels and the vectors of each site, without a copy.
pub fn batch(schema: &SchemaRef, labels: Vec<ArrayRef>, values: Vec<Vec<f32>>) -> Result<RecordBatch, RunError> {
    let fields = &schema.fields()[labels.len()..];
    let vectors = values.into_iter().zip(fields).filter_map(|(values, field)| -> Option<ArrayRef> {
        let DataType::FixedSizeList(item, width) = field.data_type() else { return None };
        let numbers = Arc::new(Float32Array::from(values));
        Some(Arc::new(FixedSizeListArray::new(item.clone(), *width, numbers, None)))
    });
    let columns = labels.into_iter().chain(vectors).collect();
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| RunError::Operation(e.to_string()))
}

/// A column of token ids, `List<u32>`, and its type.
pub fn token_lists<'a>(rows: impl Iterator<Item = &'a [u32]>) -> (DataType, ArrayRef) {
    use arrow::array::{ListBuilder, UInt32Builder};
    let item = Arc::new(Field::new("item", DataType::UInt32, false));
    let mut lists = ListBuilder::new(UInt32Builder::new()).with_field(item.clone());
    for row in rows {
        lists.values().append_slice(row);
        lists.append(true);
    }
    (DataType::List(item), Arc::new(lists.finish()))
}

/// A batch of columns that are never null.
pub fn table(columns: Vec<(&str, DataType, ArrayRef)>) -> Result<RecordBatch, RunError> {
    let fields: Vec<Field> = columns.iter().map(|(name, kind, _)| Field::new(*name, kind.clone(), false)).collect();
    let arrays = columns.into_iter().map(|(.., array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|e| RunError::Operation(e.to_string()))
}
