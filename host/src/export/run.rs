//! A run as the exports take it.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use emhost_abi::Reader;
use emhost_abi::wire::{Headline, Report};
use serde_json::{Map, Value};

use super::error::{ExportError, Result};

/// A run with everything that is exported of it.
#[derive(Debug)]
pub struct RunExport {
    /// `NAME-DIGEST`.
    pub id: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// The host's version.
    pub emhost: String,
    /// The command as typed.
    pub command: String,
    /// The machine's name.
    pub machine: String,
    /// Seconds since 1970 when it was started.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// The parameters that were set.
    pub params: Map<String, Value>,
    /// The recipe as TOML.
    pub recipe: String,
    /// What the plugin said of the result; none before it is summarised.
    pub report: Option<Report>,
    /// The tables of the run and of its cells.
    pub tables: Vec<TableExport>,
    /// Files of figures.
    pub figures: Vec<PathBuf>,
    /// Whether all cells and the summary are there.
    pub finished: bool,
}

/// A table that can be read any number of times.
pub struct TableExport {
    /// The cell that emitted it; none for a table of the summary.
    pub cell: Option<String>,
    /// Name under which it was emitted.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// Reads it from its first row.
    pub open: Open,
}

/// Opens a table.
pub type Open = Box<dyn Fn() -> Result<Reader> + Send + Sync>;

impl RunExport {
    /// Refuses names that could lead out of a folder or stand for two things.
    pub(super) fn check(&self) -> Result<()> {
        plain("run", &self.id)?;
        let mut seen = HashSet::new();
        for table in &self.tables {
            plain("table", &table.name)?;
            table.cell.iter().try_for_each(|cell| plain("cell", cell))?;
            if !seen.insert((&table.cell, &table.name)) {
                return Err(ExportError::input(format!("table `{}`", table.shown()), "the run has it twice"));
            }
        }
        Ok(())
    }

    /// The headline numbers; none before the run is summarised.
    pub(super) fn headline(&self) -> &[Headline] {
        self.report.as_ref().map_or(&[], |report| &report.headline)
    }

    /// Seconds since 1970 when it ended.
    pub(super) fn ended(&self) -> f64 {
        self.started as f64 + self.seconds.max(0.0)
    }
}

/// The numbers of a row of the headline by name; none for what it does not have.
pub(super) fn numbers(row: &Headline) -> [(&'static str, Option<f64>); 6] {
    [
        ("value", Some(row.value)),
        ("low", row.interval.map(|[low, _]| low)),
        ("high", row.interval.map(|[_, high]| high)),
        ("control", row.control),
        ("p", row.p),
        ("n", Some(row.n as f64)),
    ]
}

impl TableExport {
    /// `CELL/NAME`, or the name alone.
    pub(super) fn shown(&self) -> String {
        self.cell.as_ref().map_or_else(|| self.name.clone(), |cell| format!("{cell}/{}", self.name))
    }

    /// The table's columns and its batches.
    pub(super) fn read(&self) -> Result<(SchemaRef, impl Iterator<Item = Result<RecordBatch>>)> {
        let reader = (self.open)()?;
        let shown = self.shown();
        let failed =
            move |e: arrow::error::ArrowError| ExportError::Table { table: shown.clone(), problem: e.to_string() };
        Ok((reader.schema(), reader.map(move |batch| batch.map_err(&failed))))
    }
}

impl fmt::Debug for TableExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableExport({}, {} rows)", self.shown(), self.rows)
    }
}

/// Refuses what is not the name of one file or folder.
fn plain(kind: &str, name: &str) -> Result<()> {
    let bad = name.is_empty()
        || name.len() > 200
        || name.starts_with('.')
        || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
    if bad {
        return Err(ExportError::input(format!("{kind} `{}`", name.escape_debug()), "it cannot be the name of a file"));
    }
    Ok(())
}
