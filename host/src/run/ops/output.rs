//! `table.open`, `figure` and `report`: what a run shows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use emhost_abi::Reader;
use emhost_abi::wire::{Figure, Reply, Report, TableOpen};

use super::lab::{Lab, plain_name, reply};
use super::stream::many;
use crate::report::render_svg;
use crate::run::error::RunError;
use crate::store::{read_table, write_atomic};

impl Lab {
    /// The table of all cells that emitted it, in the order of the plan, with a column `cell` in front.
    pub(super) fn table_open(&self, request: &TableOpen) -> Result<(String, Option<Reader>), RunError> {
        plain_name("table", &request.table)?;
        let plan = self.plan();
        let found: Vec<(String, Reader)> = plan
            .into_iter()
            .map(|cell| (self.folder.table(Some(&cell), &request.table), cell))
            .filter(|(path, _)| path.is_file())
            .map(|(path, cell)| Ok((cell, Box::new(read_table(&path)?) as Reader)))
            .collect::<Result<_, RunError>>()?;
        let Some((_, first)) = found.first() else {
            return Err(RunError::Operation(format!("no cell emitted a table `{}`", request.table)));
        };
        let mut fields = vec![Arc::new(Field::new("cell", DataType::Utf8, false))];
        // One cell's column may have missing values where another's has none.
        fields.extend(first.schema().fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true))));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let out = schema.clone();
        let batches = found.into_iter().flat_map(move |(cell, reader)| {
            let out = out.clone();
            reader.map(move |batch| with_cell(&cell, &batch?, &out))
        });
        reply(Reply {}, Some(many(schema, batches)))
    }

    /// Draws a figure of the running entry and keeps its data beside it.
    pub(super) fn figure(&self, figure: &Figure) -> Result<Reply, RunError> {
        plain_name("figure", &figure.name)?;
        let drawn = render_svg(figure).map_err(|e| RunError::Operation(e.to_string()))?;
        let folder = self.folder.entry(self.cell().as_deref()).join("figures");
        write_atomic(&folder.join(format!("{}.svg", figure.name)), drawn.as_bytes())?;
        let number = std::fs::read_dir(&folder).map_or(0, |all| all.flatten().filter(|f| is_json(&f.path())).count());
        self.folder.write_json(&folder.join(format!("{number:02}-{}.json", figure.name)), figure)?;
        Ok(Reply {})
    }

    /// Keeps what the plugin says of its result.
    pub(super) fn report(&self, report: &Report) -> Result<Reply, RunError> {
        let shown = report.tables.iter().map(|note| &note.table).chain(report.answers.iter().map(|note| &note.table));
        for table in shown {
            if !self.folder.table(None, table).is_file() {
                return Err(RunError::Operation(format!("the report shows table `{table}`, which was not emitted")));
            }
        }
        self.folder.write_json(&self.folder.root().join("report.json"), report)?;
        Ok(Reply {})
    }
}

fn is_json(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

fn with_cell(cell: &str, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![cell; batch.num_rows()]))];
    columns.extend(batch.columns().iter().cloned());
    RecordBatch::try_new(schema.clone(), columns)
}
