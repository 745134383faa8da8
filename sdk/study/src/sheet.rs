//! Tables that cells emitted, looked through by the values of their columns.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;

/// A table whose rows are chosen by text and read as numbers.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    table: Table,
    texts: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, Vec<f64>>,
}

impl Sheet {
    /// The table of all cells that emitted it; empty where none did.
    ///
    /// # Errors
    ///
    /// The table cannot be read.
    pub fn open(lab: &Lab, name: &str, cells: bool) -> Result<Self> {
        if !cells {
            return Ok(Self::default());
        }
        let table = lab.open_table(name)?.table()?;
        let kept: Vec<String> = table.names().filter(|name| *name != "cell").map(str::to_owned).collect();
        Self::of(table.select(&kept.iter().map(String::as_str).collect::<Vec<_>>())?)
    }

    /// A table in memory.
    ///
    /// # Errors
    ///
    /// Never for columns of text and numbers.
    pub fn of(table: Table) -> Result<Self> {
        let (mut texts, mut numbers) = (BTreeMap::new(), BTreeMap::new());
        for name in table.names() {
            if let Ok(all) = table.text(name) {
                texts.insert(name.to_owned(), all.into_iter().map(str::to_owned).collect());
            } else if let Ok(all) = table.f64(name) {
                numbers.insert(name.to_owned(), all);
            }
        }
        Ok(Self { table, texts, numbers })
    }

    /// The table itself.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.table.rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows in which each of these columns has this text.
    pub fn rows(&self, wanted: &[(&str, &str)]) -> Vec<usize> {
        let fits = |row: &usize| wanted.iter().all(|(column, value)| self.text(column, *row) == *value);
        (0..self.len()).filter(fits).collect()
    }

    /// The first such row.
    pub fn row(&self, wanted: &[(&str, &str)]) -> Option<usize> {
        self.rows(wanted).first().copied()
    }

    /// Text of a row; empty where there is none.
    pub fn text(&self, column: &str, row: usize) -> &str {
        self.texts.get(column).and_then(|all| all.get(row)).map_or("", String::as_str)
    }

    /// A number of a row; NaN where there is none.
    pub fn number(&self, column: &str, row: usize) -> f64 {
        self.numbers.get(column).and_then(|all| all.get(row)).copied().unwrap_or(f64::NAN)
    }

    /// The different texts of a column, in the order of the rows.
    pub fn distinct(&self, column: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for text in self.texts.get(column).into_iter().flatten() {
            if !found.contains(&text.as_str()) {
                found.push(text);
            }
        }
        found
    }

    /// The different numbers of a column, ascending.
    pub fn values(&self, column: &str) -> Vec<f64> {
        let mut found: Vec<f64> = self.numbers.get(column).cloned().unwrap_or_default();
        found.retain(|value| value.is_finite());
        found.sort_by(f64::total_cmp);
        found.dedup();
        found
    }

    /// A number with its interval, in the columns `NAME`, `NAME_low` and `NAME_high`.
    pub fn interval(&self, name: &str, row: usize) -> [f64; 3] {
        [name.to_owned(), format!("{name}_low"), format!("{name}_high")].map(|column| self.number(&column, row))
    }
}
