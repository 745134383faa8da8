//! Writes `report.html` from what a run left in its folder.

use std::path::Path;

use arrow::array::RecordBatch;
use emhost_abi::wire::{AnswersNote, Figure, Report, TableNote};

use super::folder::RunFolder;
use super::provenance::RunRecord;
use super::{Listed, RunError};
use crate::report::{
    ReportAnswers, ReportTable, RunReport, ScoredClaim, answers_from_batches, render_html, table_from_batches,
};
use crate::scorecard::{ScorecardFile, fill_own};
use crate::store::{StoreError, read_table, write_atomic};

/// Rows of a table that stand in the report itself.
const INLINE_ROWS: usize = 200;

/// Writes the report, if the plugin gave one.
///
/// Of a scorecard the claims of the run's plugin are shown.
pub fn write_report(
    folder: &RunFolder,
    record: &RunRecord,
    cells: &[String],
    scorecard: Option<&Path>,
) -> Result<(), RunError> {
    let root = folder.root();
    let Some(report) = folder.read_json::<Report>(&root.join("report.json"))? else { return Ok(()) };
    let mut tables = Vec::new();
    for note in &report.tables {
        tables.push(table(folder, note)?);
    }
    let mut seconds = 0.0;
    for cell in cells {
        seconds += folder.done(Some(cell))?.map_or(0.0, |done| done.seconds);
    }
    let page = RunReport {
        title: spoken(&record.plugin),
        plugin: format!("{} {}", record.plugin, record.plugin_version),
        run_id: record.id.clone(),
        figures: figures(folder)?,
        tables,
        recipe: record.recipe.clone(),
        provenance: provenance(record, cells.len(), seconds),
        command: record.command.clone(),
        warnings: Vec::new(),
        answers: report.answers.iter().map(|note| answers(folder, note)).collect::<Result<_, _>>()?,
        scorecard: scorecard.map(|path| claims(folder, path)).transpose()?.unwrap_or_default(),
        report,
    };
    Ok(write_atomic(&root.join("report.html"), render_html(&page).as_bytes())?)
}

/// `subspace_overlap` as a heading: `Subspace overlap`.
fn spoken(name: &str) -> String {
    let text = name.replace(['_', '-'], " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn table(folder: &RunFolder, note: &TableNote) -> Result<ReportTable, RunError> {
    let path = folder.table(None, &note.table);
    let batches: Vec<RecordBatch> =
        read_table(&path)?.collect::<Result<_, _>>().map_err(|e| StoreError::stream(&path, e))?;
    Ok(table_from_batches(note.clone(), format!("tables/{}.parquet", note.table), &batches, INLINE_ROWS))
}

/// A sample of answers to read through.
fn answers(folder: &RunFolder, note: &AnswersNote) -> Result<ReportAnswers, RunError> {
    let href = format!("tables/{}.parquet", note.table);
    let rows = read_table(&folder.table(None, &note.table))?;
    answers_from_batches(note.clone(), href, rows).map_err(|e| RunError::Operation(format!("failed to {e}")))
}

/// The published claims with this run's numbers.
fn claims(folder: &RunFolder, path: &Path) -> Result<Vec<ScoredClaim>, RunError> {
    fill_own(&ScorecardFile::read(path)?, &Listed::read(folder.clone())?)
}

/// The figures in the order in which they were drawn.
fn figures(folder: &RunFolder) -> Result<Vec<Figure>, RunError> {
    let all = folder.root().join("figures");
    let entries = std::fs::read_dir(&all).map_err(super::folder::io("list", &all))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| is_json(path)).collect();
    paths.sort();
    let mut figures = Vec::new();
    for path in paths {
        figures.extend(folder.read_json(&path)?);
    }
    Ok(figures)
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "json")
}

fn provenance(record: &RunRecord, cells: usize, seconds: f64) -> Vec<(String, String)> {
    [
        ("run", record.id.clone()),
        ("emhost", format!("{}, numerics {}", record.host(), record.numerics)),
        ("plugin", format!("{} {}, ABI {}", record.plugin, record.plugin_version, record.plugin_abi)),
        ("plugin library", format!("BLAKE3 {}", record.plugin_digest)),
        ("machine", record.machine.clone()),
        ("work", format!("{cells} cells, {seconds:.1} s")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}
