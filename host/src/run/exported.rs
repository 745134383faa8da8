//! A run as other tools take it.

use std::path::{Path, PathBuf};

use super::{Listed, RunError, State};
use crate::export::{ExportError, RunExport, TableExport};
use crate::store::read_table;

/// A run with everything that is exported of it.
pub fn exported(run: &Listed) -> Result<RunExport, RunError> {
    let record = run.record.clone();
    let mut tables = Vec::new();
    for cell in run.cells.iter().map(|(id, _)| Some(id.as_str())).chain([None]) {
        let Some(done) = run.folder.done(cell)? else { continue };
        tables.extend(done.tables.iter().map(|(name, rows)| TableExport {
            cell: cell.map(str::to_owned),
            name: name.clone(),
            rows: *rows,
            open: opener(run.folder.table(cell, name), name.clone()),
        }));
    }
    Ok(RunExport {
        id: record.id,
        plugin: record.plugin,
        plugin_version: record.plugin_version,
        emhost: record.emhost,
        command: record.command,
        machine: record.machine,
        started: record.started,
        seconds: run.seconds,
        params: record.params,
        recipe: record.recipe,
        report: run.report.clone(),
        tables,
        figures: drawings(&run.folder.root().join("figures")),
        finished: matches!(run.summary, State::Done { .. }),
    })
}

fn opener(path: PathBuf, table: String) -> crate::export::Open {
    Box::new(move || match read_table(&path) {
        Ok(reader) => Ok(Box::new(reader)),
        Err(error) => Err(ExportError::Table { table: table.clone(), problem: error.to_string() }),
    })
}

/// The drawn figures, by name.
fn drawings(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let drawn = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "svg");
    let mut figures: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(drawn).collect();
    figures.sort();
    figures
}
