//! Several captures as one stream of activations.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use emhost_sdk::arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, StringArray};
use emhost_sdk::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use emhost_sdk::arrow::error::ArrowError;
use emhost_sdk::prelude::*;

/// One capture with what it is called.
pub struct Part {
    /// Value of the column `split`.
    pub split: String,
    /// Value of the column `condition`.
    pub condition: &'static str,
    /// Topics by row id, for the column `topic`.
    pub topics: Arc<BTreeMap<String, String>>,
    /// The capture.
    pub stream: Stream,
}

/// The captures one after the other, with the columns `split`, `condition` and `topic` in front; holds one batch at a
/// time.
pub struct Joined {
    parts: VecDeque<Part>,
    first: Option<RecordBatch>,
    schema: SchemaRef,
}

const LABELS: [&str; 3] = ["split", "condition", "topic"];

impl Joined {
    /// # Errors
    ///
    /// The first capture cannot be read, or there is none.
    pub fn new(parts: Vec<Part>) -> Result<Self> {
        let mut joined = Self { parts: parts.into(), first: None, schema: Arc::new(Schema::empty()) };
        let first = joined.following().transpose()?.ok_or("no activations were captured")?;
        joined.schema = first.schema();
        joined.first = Some(first);
        Ok(joined)
    }

    /// The stream.
    pub fn boxed(self) -> emhost_sdk::Reader {
        Box::new(self)
    }

    fn following(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let part = self.parts.front_mut()?;
            match part.stream.next() {
                Some(batch) => return Some(batch.and_then(|batch| self.labelled(&batch))),
                None => drop(self.parts.pop_front()),
            }
        }
    }

    fn labelled(&self, table: &Table) -> Result<RecordBatch> {
        let Some(part) = self.parts.front() else { return Err("no capture is open".into()) };
        let ids = table.text("row_id")?;
        let same =
            |text: &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, ids.len()))) };
        let topics = ids.iter().map(|id| part.topics.get(*id).map_or("", String::as_str));
        let mut columns =
            vec![same(&part.split), same(part.condition), Arc::new(StringArray::from_iter_values(topics))];
        let batch = table.to_batch()?;
        columns.extend(batch.columns().iter().cloned());
        let schema = if self.schema.fields().is_empty() {
            let labels = LABELS.map(|name| Arc::new(Field::new(name, DataType::Utf8, false)));
            // One batch may have positions where another one has means, which have none.
            let open = |field: &Field| {
                let vectors = matches!(field.data_type(), DataType::FixedSizeList(..));
                Arc::new(field.clone().with_nullable(!vectors))
            };
            let fields: Vec<_> = labels.into_iter().chain(batch.schema().fields().iter().map(|f| open(f))).collect();
            Arc::new(Schema::new(fields))
        } else {
            Arc::clone(&self.schema)
        };
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

impl Iterator for Joined {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.first.take().map(Ok).or_else(|| self.following())?;
        Some(batch.map_err(|error| ArrowError::ExternalError(Box::new(error))))
    }
}

impl RecordBatchReader for Joined {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
