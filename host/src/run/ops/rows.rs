//! `rows.read`.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use emhost_abi::Reader;
use emhost_abi::wire::{Reply, RowsRead};

use super::lab::{Lab, reply};
use super::stream::{one, schema};
use crate::rows;
use crate::run::error::RunError;

impl Lab {
    /// Rows as a table of `row_id, topic, messages, prompt`.
    pub(super) fn rows(&self, request: &RowsRead) -> Result<(String, Option<Reader>), RunError> {
        let rows = rows::load(&request.rows)?;
        let text = |f: &dyn Fn(&emhost_abi::wire::Row) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(f)))
        };
        let columns = vec![
            text(&|row| row.row_id.clone()),
            text(&|row| row.topic.clone().unwrap_or_default()),
            text(&|row| serde_json::to_string(&row.messages).unwrap_or_default()),
            text(&rows::question),
        ];
        let names = ["row_id", "topic", "messages", "prompt"].map(|name| (name, DataType::Utf8));
        let batch = RecordBatch::try_new(schema(&names), columns).map_err(|e| RunError::Operation(e.to_string()))?;
        reply(Reply {}, Some(one(batch)))
    }
}
