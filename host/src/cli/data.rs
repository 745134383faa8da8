//! `emhost data`: what a dataset holds, its first rows, and whether every byte is as it was written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchReader};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::{Args, Subcommand};

use super::terminal::{print, table};
use crate::store::{Dataset, Part, StoreError, verify_folder};

/// Looks into activation datasets.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Prints the card, the columns, the counts and the provenance
    Info {
        /// A dataset's folder
        dataset: PathBuf,
    },
    /// Prints the first rows
    Show(ShowArgs),
    /// Compares every byte with the manifest
    Verify {
        /// A dataset's folder
        dataset: PathBuf,
    },
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// A dataset's folder
    dataset: PathBuf,
    /// Columns, by default all
    #[arg(long, value_delimiter = ',', conflicts_with = "site")]
    columns: Vec<String>,
    /// One site, beside the row ids
    #[arg(long)]
    site: Option<String>,
    /// Which of the two tables, by default the one that has the columns
    #[arg(long)]
    part: Option<Part>,
    /// How many rows
    #[arg(long, default_value_t = 10)]
    rows: usize,
}

/// Runs `emhost data`. Damage found by `verify` is printed and comes back as [`StoreError::Damaged`].
pub fn run(args: DataArgs) -> Result<(), StoreError> {
    match args.command {
        DataCommand::Info { dataset } => print(&info(&Dataset::open(dataset)?)),
        DataCommand::Show(args) => print(&show(&args)?),
        DataCommand::Verify { dataset } => verify(&dataset),
    }
}

fn info(dataset: &Dataset) -> String {
    let manifest = dataset.manifest();
    let mut text = format!("{}\n", dataset.folder().display());
    if !manifest.about.is_empty() {
        let _ = writeln!(text, "{}", manifest.about.trim());
    }
    let _ = writeln!(text, "digest  {}\nformat  {}, emhost {}", dataset.digest(), manifest.format, manifest.emhost);
    for part in &manifest.parts {
        let groups: usize = part.files.iter().map(|f| f.row_groups.len()).sum();
        let (name, bytes) = (part.part.name(), dataset.bytes(part.part));
        let files = part.files.len();
        let _ = writeln!(text, "\n{name}: {} rows, {bytes} bytes, {files} file(s), {groups} row group(s)", part.rows);
        let cells = part.columns.iter().map(|column| {
            let width = column.width.map_or_else(String::new, |w| w.to_string());
            vec![column.name.clone(), column.r#type.clone(), width]
        });
        text.push_str(&table(["column", "type", "width"].map(str::to_owned).to_vec(), cells.collect()));
    }
    let provenance = serde_json::to_string_pretty(&manifest.provenance).unwrap_or_default();
    let _ = writeln!(text, "\nprovenance\n{provenance}");
    text
}

fn show(args: &ShowArgs) -> Result<String, StoreError> {
    let dataset = Dataset::open(&args.dataset)?;
    let columns = match &args.site {
        Some(site) => vec!["row_id".to_owned(), site.clone()],
        None => args.columns.clone(),
    };
    let part = args.part.unwrap_or_else(|| part_with(&dataset, &columns));
    let mut reader = dataset.read(part, &columns, &BTreeMap::new())?;
    let header = reader.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut cells = Vec::new();
    while cells.len() < args.rows {
        let Some(batch) = reader.next() else { break };
        let batch = batch.map_err(|e| StoreError::stream(dataset.folder(), e))?;
        let rows = batch.num_rows().min(args.rows - cells.len());
        for row in 0..rows {
            cells.push(cells_of(&batch, row));
        }
    }
    let mut text = table(header, cells);
    let total = dataset.bytes(part);
    let _ = writeln!(text, "read {} bytes of {total} bytes", reader.bytes_read().get());
    Ok(text)
}

fn verify(folder: &Path) -> Result<(), StoreError> {
    match verify_folder(folder) {
        Ok(report) => print(&format!(
            "{}: {} files, {} row groups, {} rows, {} bytes, all as written\n",
            folder.display(),
            report.files,
            report.row_groups,
            report.rows,
            report.bytes
        )),
        Err(damage) => {
            let lines: String = damage.iter().map(|d| format!("{d}\n")).collect();
            print(&lines)?;
            Err(StoreError::Damaged { path: folder.to_owned(), count: damage.len() })
        }
    }
}

/// The part that has all named columns; activations first.
fn part_with(dataset: &Dataset, columns: &[String]) -> Part {
    let has = |part: Part| {
        let known = dataset.columns(part);
        !known.is_empty() && columns.iter().all(|name| known.iter().any(|c| c.name == *name))
    };
    if !has(Part::Acts) && (has(Part::Rows) || dataset.columns(Part::Acts).is_empty()) {
        Part::Rows
    } else {
        Part::Acts
    }
}

fn cells_of(batch: &RecordBatch, row: usize) -> Vec<String> {
    batch.columns().iter().map(|column| cell(column, row)).collect()
}

/// A value on one short line; of a vector the first numbers and the width.
fn cell(column: &ArrayRef, row: usize) -> String {
    const NUMBERS: usize = 4;
    const LETTERS: usize = 48;
    if let Some(list) = column.as_fixed_size_list_opt().filter(|list| list.is_valid(row)) {
        let values = list.value(row);
        let first: Vec<String> = (0..values.len().min(NUMBERS)).map(|i| cell(&values, i)).collect();
        let more = if values.len() > NUMBERS { ", .." } else { "" };
        return format!("[{}{more}] x{}", first.join(", "), values.len());
    }
    let options = FormatOptions::default().with_null("null");
    let text = match ArrayFormatter::try_new(column, &options) {
        Ok(formatter) => formatter.value(row).try_to_string().unwrap_or_else(|e| e.to_string()),
        Err(e) => e.to_string(),
    };
    let line = text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
    match line.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}..", &line[..end]),
        None => line,
    }
}
