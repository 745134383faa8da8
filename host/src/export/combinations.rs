//! Tables over steps: one curve per number column and combination of the text columns.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::error::Result;
use super::run::TableExport;
use super::value::{Value, is_number, is_text, value};

/// The column that counts steps.
const STEP: &str = "step";

/// More combinations than this are texts of rows, not names of curves.
pub const MOST: usize = 256;

/// What a table over steps holds.
#[derive(Debug)]
pub struct Curves {
    /// Names of its number columns, without the step.
    pub columns: Vec<String>,
    /// Names of its text columns.
    pub texts: Vec<String>,
    /// What the text columns say together, in the order in which it is met.
    pub combinations: Vec<Combination>,
    numbers: Vec<usize>,
    text_at: Vec<usize>,
    step: usize,
    known: HashMap<Combination, usize>,
}

/// The values of the text columns.
pub type Combination = Vec<Option<String>>;

/// One row of a table over steps.
#[derive(Debug)]
pub struct Point<'a> {
    /// Which combination.
    pub combination: usize,
    /// The step.
    pub step: i64,
    /// The number columns; a null is none.
    pub values: &'a [Option<f64>],
}

impl Curves {
    /// Reads the table once to learn its combinations; none if it has no steps. A table with more than [`MOST`]
    /// combinations has them all counted here as one more than that.
    pub fn of(table: &TableExport) -> Result<Option<Self>> {
        let (schema, batches) = table.read()?;
        let Some(mut curves) = Self::columns(&schema) else { return Ok(None) };
        for batch in batches {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let combination = curves.combination(&batch, row)?;
                let next = curves.combinations.len();
                if !curves.known.contains_key(&combination) {
                    curves.known.insert(combination.clone(), next);
                    curves.combinations.push(combination);
                }
                if curves.combinations.len() > MOST {
                    return Ok(Some(curves));
                }
            }
        }
        Ok(Some(curves))
    }

    /// Reads the table and shows each row that has a step; gives how many it has read.
    pub fn read(&self, table: &TableExport, mut visit: impl FnMut(&Point<'_>) -> Result<()>) -> Result<u64> {
        let mut rows = 0;
        let mut values = Vec::with_capacity(self.numbers.len());
        for batch in table.read()?.1 {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            for row in 0..batch.num_rows() {
                let Value::Int(step) = value(batch.column(self.step), row)? else { continue };
                let Ok(step) = i64::try_from(step) else { continue };
                values.clear();
                for &column in &self.numbers {
                    values.push(value(batch.column(column), row)?.number());
                }
                let combination = self.known.get(&self.combination(&batch, row)?).copied().unwrap_or_default();
                visit(&Point { combination, step, values: &values })?;
            }
        }
        Ok(rows)
    }

    /// What the name of a curve says of a combination: `split-train seed-a`; empty without text columns.
    pub fn label(&self, combination: usize) -> String {
        let said = |(name, value): (&String, &Option<String>)| format!("{name}-{}", value.as_deref().unwrap_or("null"));
        self.texts.iter().zip(&self.combinations[combination]).map(said).collect::<Vec<_>>().join(" ")
    }

    fn columns(schema: &Schema) -> Option<Self> {
        let fields = schema.fields();
        let step = fields.iter().position(|field| field.name() == STEP && field.data_type().is_integer())?;
        let at = |wanted: &dyn Fn(usize) -> bool| (0..fields.len()).filter(|&i| wanted(i)).collect::<Vec<usize>>();
        let numbers = at(&|i| i != step && is_number(fields[i].data_type()));
        let text_at = at(&|i| is_text(fields[i].data_type()));
        let names = |at: &[usize]| at.iter().map(|&i| fields[i].name().clone()).collect();
        Some(Self {
            columns: names(&numbers),
            texts: names(&text_at),
            combinations: Vec::new(),
            numbers,
            text_at,
            step,
            known: HashMap::new(),
        })
    }

    fn combination(&self, batch: &RecordBatch, row: usize) -> Result<Combination> {
        let text = |&column: &usize| {
            Ok(match value(batch.column(column), row)? {
                Value::Text(text) => Some(text.to_owned()),
                _ => None,
            })
        };
        self.text_at.iter().map(text).collect()
    }
}
