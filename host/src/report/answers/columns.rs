//! The columns of a table of answers, found by name in each batch.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use emhost_abi::wire::AnswersNote;

use crate::report::table::{Cell, Column};

/// Why a table of answers cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// The table lacks a column that the plugin named.
    #[error("show answers: table `{table}` has no column `{column}`; it has {columns}")]
    MissingColumn {
        /// The table's name.
        table: String,
        /// The missing column.
        column: String,
        /// The columns that it has.
        columns: String,
    },
    /// A score that cannot be ordered.
    #[error("show answers of table `{table}`: score column `{column}` holds {got}, expected numbers")]
    NotNumbers {
        /// The table's name.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        got: DataType,
    },
    /// A batch that cannot be read.
    #[error("read answers from table `{table}`: {source}")]
    Read {
        /// The table's name.
        table: String,
        /// What the store says.
        source: ArrowError,
    },
}

/// The columns of one batch.
pub struct Columns<'a> {
    question: Column<'a>,
    answer: Column<'a>,
    conditions: Vec<Column<'a>>,
    scores: Vec<Float64Array>,
}

impl<'a> Columns<'a> {
    /// Finds the columns of a note.
    ///
    /// # Errors
    /// A column is missing, or a score is not a number.
    pub fn find(note: &AnswersNote, batch: &'a RecordBatch) -> Result<Self, AnswersError> {
        let find = |name: &str| -> Result<&'a ArrayRef, AnswersError> {
            batch.column_by_name(name).ok_or_else(|| AnswersError::MissingColumn {
                table: note.table.clone(),
                column: name.into(),
                columns: batch.schema_ref().fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", "),
            })
        };
        let score = |name: &String| {
            let array = find(name)?;
            numbers(array).ok_or_else(|| AnswersError::NotNumbers {
                table: note.table.clone(),
                column: name.clone(),
                got: array.data_type().clone(),
            })
        };
        Ok(Self {
            question: Column::new(find(&note.question)?),
            answer: Column::new(find(&note.answer)?),
            conditions: note.conditions.iter().map(|name| find(name).map(Column::new)).collect::<Result<_, _>>()?,
            scores: note.scores.iter().map(score).collect::<Result<_, _>>()?,
        })
    }

    /// What was asked.
    pub fn question(&self, row: usize) -> String {
        self.question.cell(row).to_string()
    }

    /// What was answered; `None` for a null.
    pub fn answer(&self, row: usize) -> Option<String> {
        Some(self.answer.cell(row)).filter(|cell| *cell != Cell::Missing).map(|cell| cell.to_string())
    }

    /// The values of the conditions.
    pub fn conditions(&self, row: usize) -> Vec<Cell> {
        self.conditions.iter().map(|column| column.cell(row)).collect()
    }

    /// The scores; `None` for a null and for what is not finite.
    pub fn scores(&self, row: usize) -> Vec<Option<f64>> {
        let score = |s: &Float64Array| s.is_valid(row).then(|| s.value(row)).filter(|v| v.is_finite());
        self.scores.iter().map(score).collect()
    }
}

/// A column of numbers or of yes and no as f64.
fn numbers(array: &ArrayRef) -> Option<Float64Array> {
    let kind = array.data_type();
    if !(kind.is_numeric() || matches!(kind, DataType::Boolean | DataType::Null)) {
        return None;
    }
    let wide = arrow::compute::cast(array, &DataType::Float64).ok()?;
    Some(wide.as_primitive::<Float64Type>().clone())
}
