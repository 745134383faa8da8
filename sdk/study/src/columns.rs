//! Tables that are filled row by row.

use emhost_sdk::prelude::*;

/// Columns in the order in which they first appear; every row gives a value to each.
#[derive(Debug, Clone, Default)]
pub struct Columns(Vec<(String, Values)>);

#[derive(Debug, Clone)]
enum Values {
    Text(Vec<String>),
    Count(Vec<u64>),
    Number(Vec<Option<f64>>),
    Flag(Vec<bool>),
}

impl Columns {
    /// Adds text to a column.
    pub fn text(&mut self, name: &str, value: impl Into<String>) {
        if let Values::Text(all) = self.column(name, || Values::Text(Vec::new())) {
            all.push(value.into());
        }
    }

    /// Adds a count to a column.
    pub fn count(&mut self, name: &str, value: u64) {
        if let Values::Count(all) = self.column(name, || Values::Count(Vec::new())) {
            all.push(value);
        }
    }

    /// Adds a number to a column; one that is not finite is missing.
    pub fn number(&mut self, name: &str, value: f64) {
        if let Values::Number(all) = self.column(name, || Values::Number(Vec::new())) {
            all.push(value.is_finite().then_some(value));
        }
    }

    /// Adds a truth value to a column.
    pub fn flag(&mut self, name: &str, value: bool) {
        if let Values::Flag(all) = self.column(name, || Values::Flag(Vec::new())) {
            all.push(value);
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns as a table.
    pub fn table(self) -> Table {
        self.0.into_iter().fold(Table::new(), |table, (name, values)| match values {
            Values::Text(all) => table.with_text(&name, all),
            Values::Count(all) => table.with_u64(&name, all),
            Values::Number(all) => table.with_optional_f64(&name, all),
            Values::Flag(all) => table.with_bool(&name, all),
        })
    }

    fn column(&mut self, name: &str, empty: impl FnOnce() -> Values) -> &mut Values {
        let at = match self.0.iter().position(|(known, _)| known == name) {
            Some(at) => at,
            None => {
                self.0.push((name.to_owned(), empty()));
                self.0.len() - 1
            }
        };
        &mut self.0[at].1
    }
}

/// A table to show in the report.
pub fn note(table: &str, caption: &str) -> TableNote {
    TableNote { table: table.to_owned(), caption: caption.to_owned() }
}
