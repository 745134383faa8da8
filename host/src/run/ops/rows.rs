//! `rows.read`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use emhost_abi::Reader;
use emhost_abi::wire::{Reply, Row, RowsRead, Split};

use super::lab::{Lab, reply};
use super::stream::{one, schema};
use crate::rows;
use crate::run::error::RunError;

impl Lab {
    /// Rows as a table of `row_id, topic, messages, prompt`.
    pub(super) fn rows(&self, request: &RowsRead) -> Result<(String, Option<Reader>), RunError> {
        reply(Reply {}, Some(one(batch(&self.load(&request.rows)?.0, None)?)))
    }

    /// The rows of a split, with a column `split` in front, and their digest.
    pub(super) fn split(&self, split: &Split) -> Result<(RecordBatch, String), RunError> {
        let (rows, digest) = self.load(&split.rows)?;
        Ok((batch(&rows, Some(&split.split))?, digest))
    }
}

fn batch(rows: &[Row], split: Option<&str>) -> Result<RecordBatch, RunError> {
    let text = |f: &dyn Fn(&Row) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(f))) };
    let mut columns = vec![
        ("row_id", text(&|row| row.row_id.clone())),
        ("topic", text(&|row| row.topic.clone().unwrap_or_default())),
        ("messages", text(&|row| serde_json::to_string(&row.messages).unwrap_or_default())),
        ("prompt", text(&rows::question)),
    ];
    if let Some(split) = split {
        columns.insert(0, ("split", text(&|_| split.to_owned())));
    }
    let names: Vec<_> = columns.iter().map(|(name, _)| (*name, DataType::Utf8)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(schema(&names), columns).map_err(|e| RunError::Operation(e.to_string()))
}
