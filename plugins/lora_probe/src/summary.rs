//! Reads what the cells found, and emits it as the run's tables.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;

use crate::params::Params;

/// Tables of cells that become the run's; tokens, fits and importance stay with their cell.
const TABLES: [&str; 8] =
    ["bins", "roles", "probes", "coefficients", "scaling", "patching", "patching_summary", "training"];

/// The cells' tables.
pub struct Summary<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// The model's shape.
    pub model: ModelInfo,
    tables: BTreeMap<&'static str, Table>,
    rows: BTreeMap<&'static str, Vec<Found>>,
    /// The answers under scaled adapters.
    answers: Table,
}

/// A row of a table.
#[derive(Debug, Clone, Default)]
pub struct Found {
    texts: BTreeMap<String, String>,
    numbers: BTreeMap<String, f64>,
}

impl Found {
    /// Text of a column; empty where there is none.
    pub fn text(&self, column: &str) -> &str {
        self.texts.get(column).map_or("", String::as_str)
    }

    /// Number of a column, 1 for true; NaN where it is missing.
    pub fn number(&self, column: &str) -> f64 {
        self.numbers.get(column).copied().unwrap_or(f64::NAN)
    }

    /// Count of a column; 0 where there is none.
    pub fn count(&self, column: &str) -> u64 {
        self.numbers.get(column).map_or(0, |number| *number as u64)
    }

    /// Whether all these columns hold these texts.
    pub fn is(&self, values: &[(&str, &str)]) -> bool {
        values.iter().all(|(column, value)| self.text(column) == *value)
    }

    /// Two columns as an interval; none where one is missing.
    pub fn interval(&self, low: &str, high: &str) -> Option<[f64; 2]> {
        let ends = [self.number(low), self.number(high)];
        ends.iter().all(|end| end.is_finite()).then_some(ends)
    }

    fn all(table: &Table) -> Vec<Self> {
        let mut rows = vec![Self::default(); table.rows()];
        for name in table.names() {
            if let Ok(values) = table.text(name) {
                rows.iter_mut().zip(values).for_each(|(row, value)| {
                    row.texts.insert(name.to_owned(), value.to_owned());
                });
            } else if let Ok(values) = table.f64(name) {
                rows.iter_mut().zip(values).for_each(|(row, value)| {
                    row.numbers.insert(name.to_owned(), value);
                });
            } else if let Ok(values) = table.bool(name) {
                rows.iter_mut().zip(values).for_each(|(row, value)| {
                    row.numbers.insert(name.to_owned(), f64::from(u8::from(value)));
                });
            }
        }
        rows
    }
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let model = lab.model_info(&Organism::base(&params.organisms.model))?;
        let trained = params.organisms.recipe(params.organism()?).is_some();
        let (mut tables, mut rows) = (BTreeMap::new(), BTreeMap::new());
        for name in TABLES {
            let absent = match name {
                "training" => !trained,
                "patching" | "patching_summary" => params.patching.pairs == 0,
                _ => false,
            };
            if absent {
                continue;
            }
            let table = without_cell(&lab.open_table(name)?.table()?)?;
            rows.insert(name, Found::all(&table));
            tables.insert(name, table);
        }
        let answers = without_cell(&lab.open_table("answers")?.table()?)?;
        Ok(Self { params, model, tables, rows, answers })
    }

    /// Rows of a table; none where there is no such table.
    pub fn rows(&self, table: &str) -> &[Found] {
        self.rows.get(table).map_or(&[], Vec::as_slice)
    }

    /// The probe on all adapters, or on the site that is named.
    pub fn probe(&self, contrast: &str, split: &str, tokens: &str) -> Option<&Found> {
        let place = [("contrast", contrast), ("split", split), ("tokens", tokens), ("adapters", crate::probing::ALL)];
        self.rows("probes").iter().find(|row| row.is(&place))
    }

    /// Whether the run has the table.
    pub fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// Columns of the answers that hold judgments.
    pub fn metrics(&self) -> Vec<String> {
        let known = ["organism", "condition", "strength", "row_id", "topic", "sample", "question", "answer"];
        self.answers.names().filter(|name| !known.contains(name)).map(str::to_owned).collect()
    }

    /// Emits the run's tables.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        for name in TABLES {
            if let Some(table) = self.tables.get(name) {
                lab.emit(name, table)?;
            }
        }
        lab.emit("answers", &self.answers)
    }
}

fn without_cell(table: &Table) -> Result<Table> {
    let names: Vec<&str> = table.names().filter(|name| *name != "cell").collect();
    table.select(&names)
}
