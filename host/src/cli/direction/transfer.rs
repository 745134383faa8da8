//! `emhost direction transfer`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::{Map, Value};

use super::refs::{printable, words};
use crate::cli::args::CliError;
use crate::cli::terminal::{print, table};
use crate::config::Settings;
use crate::report::{Cell, ReportTable, number_with_interval, table_from_batches};
use crate::run::{self, Listed};
use crate::store::{StoreError, read_table};

/// The table of a run that holds the matrix.
const TABLE: &str = "transfer";
/// What its rows and columns are, and its numbers.
const COLUMNS: [&str; 5] = ["direction", "organism", "reduction", "low", "high"];
/// Other columns, such as n and method, are printed below the matrix if they have this many values at most.
const FEW: usize = 4;

/// Print which direction removes how much misalignment from which organism
///
/// For example, the matrix of the newest finished run that has one:
///
/// $ emhost direction transfer
///
/// It is the run's table `transfer`, a row per direction and a column per organism: the reduction
/// and its interval. `emhost direction compare` says how alike directions are, this what they do.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct TransferArgs {
    /// The run; without it the newest finished one that has a table `transfer`.
    run: Option<String>,
    /// Only rows with this value, where the table has several per direction and organism; may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// One JSON object per row of the table.
    #[arg(long)]
    json: bool,
}

fn condition(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("write COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}

pub(super) fn run(args: &TransferArgs, settings: &Settings) -> Result<(), CliError> {
    let run = match &args.run {
        Some(name) => run::named(&settings.runs, name)?,
        None => newest(run::list(&settings.runs)?)?,
    };
    if !has(&run)? {
        let message = format!(
            "read `{TABLE}` of {}: this run is {} and has no such table; `emhost runs show` prints its cells and numbers",
            run.record.id,
            run.state()
        );
        return Err(said(message));
    }
    let path = run.folder.table(None, TABLE);
    let batches = read_table(&path)?.collect::<Result<Vec<_>, _>>().map_err(|e| StoreError::stream(&path, e))?;
    let rows = Rows::of(table_from_batches(Default::default(), "", &batches, usize::MAX), &args.conditions)?;
    match args.json {
        true => Ok(print(&rows.lines())?),
        false => Ok(print(&format!("{}\n{}", run.record.id, rows.matrix()?))?),
    }
}

fn has(run: &Listed) -> Result<bool, CliError> {
    Ok(run.folder.done(None)?.is_some_and(|done| done.tables.contains_key(TABLE)))
}

fn newest(runs: Vec<Listed>) -> Result<Listed, CliError> {
    for run in runs {
        if has(&run)? {
            return Ok(run);
        }
    }
    Err(said(format!(
        "find a table `{TABLE}`: no finished run has one; `emhost run --plugin convergent_direction` makes one"
    )))
}

fn said(message: String) -> CliError {
    CliError::Said { message, code: 2 }
}

/// The rows that are meant.
struct Rows {
    table: ReportTable,
    /// Places of [`COLUMNS`].
    columns: [usize; 5],
}

impl Rows {
    fn of(mut table: ReportTable, conditions: &[(String, String)]) -> Result<Self, CliError> {
        let place = |name: &str| {
            let known = || format!("use column `{name}` of `{TABLE}`: it has {}", table.columns.join(", "));
            table.columns.iter().position(|column| column == name).ok_or_else(|| said(known()))
        };
        let mut columns = [0; 5];
        for (at, name) in columns.iter_mut().zip(COLUMNS) {
            *at = place(name)?;
        }
        let wanted =
            conditions.iter().map(|(name, value)| Ok((place(name)?, value))).collect::<Result<Vec<_>, CliError>>()?;
        table.rows.retain(|row| wanted.iter().all(|(at, value)| row[*at].to_string() == **value));
        match table.rows.is_empty() {
            false => Ok(Self { table, columns }),
            true => Err(said(format!("read `{TABLE}`: it has no rows with these values"))),
        }
    }

    /// All columns of each row.
    fn lines(&self) -> String {
        let value = |cell: &Cell| match cell {
            Cell::Missing => Value::Null,
            Cell::Integer(v) => Value::from(*v),
            Cell::Number(v) => Value::from(*v),
            Cell::Text(text) => Value::from(text.as_str()),
        };
        let line = |row: &Vec<Cell>| -> Map<String, Value> {
            self.table.columns.iter().cloned().zip(row.iter().map(value)).collect()
        };
        self.table.rows.iter().map(|row| format!("{}\n", Value::from(line(row)))).collect()
    }

    /// Directions down, organisms across, in the order of the table.
    fn matrix(&self) -> Result<String, CliError> {
        let [direction, organism, ..] = self.columns;
        let (directions, organisms) = (self.distinct(direction), self.distinct(organism));
        let header = words(&["direction"]).into_iter().chain(organisms.iter().map(|name| printable(name)));
        let mut rows = Vec::new();
        for name in &directions {
            let mut row = vec![printable(name)];
            for organism in &organisms {
                row.push(self.cell(name, organism)?);
            }
            rows.push(row);
        }
        let mut text = format!(
            "reduction [low, high] by a direction (row) in an organism (column)\n{}",
            table(header.collect(), rows)
        );
        let others = (0..self.table.columns.len()).filter(|at| !self.columns.contains(at));
        for (at, values) in others.map(|at| (at, self.distinct(at))).filter(|(_, values)| values.len() <= FEW) {
            let values: Vec<String> = values.iter().map(|value| printable(value)).collect();
            text += &format!("{}: {}\n", printable(&self.table.columns[at]), values.join("; "));
        }
        Ok(text)
    }

    /// Values of a column, each once, in the order of the rows.
    fn distinct(&self, column: usize) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let values = self.table.rows.iter().map(|row| row[column].to_string());
        values.filter(|value| seen.insert(value.clone())).collect()
    }

    fn cell(&self, direction: &str, organism: &str) -> Result<String, CliError> {
        let [of_direction, of_organism, reduction, low, high] = self.columns;
        let is =
            |row: &&Vec<Cell>| row[of_direction].to_string() == direction && row[of_organism].to_string() == organism;
        let rows: Vec<&Vec<Cell>> = self.table.rows.iter().filter(is).collect();
        let [row] = rows.as_slice() else {
            return if rows.is_empty() {
                Ok("–".to_owned())
            } else {
                Err(self.ambiguous(direction, organism, &rows))
            };
        };
        let interval = number(&row[low]).zip(number(&row[high])).map(|(low, high)| [low, high]);
        let Some(reduction) = number(&row[reduction]) else { return Ok("–".to_owned()) };
        let (value, interval) = number_with_interval(reduction, interval);
        Ok(interval.map_or(value.clone(), |interval| format!("{value} {interval}")))
    }

    fn ambiguous(&self, direction: &str, organism: &str, rows: &[&Vec<Cell>]) -> CliError {
        let values = |at: usize| rows.iter().map(|row| row[at].to_string()).collect::<BTreeSet<_>>();
        let differ = |at: &usize| !self.columns.contains(at) && values(*at).len() > 1;
        let hint = match (0..self.table.columns.len()).find(differ) {
            Some(at) => {
                let values = values(at).into_iter().collect::<Vec<_>>().join(", ");
                format!("choose one with --where {}=VALUE: {values}", self.table.columns[at])
            }
            None => "`--json` prints all of them".to_owned(),
        };
        let (direction, organism) = (printable(direction), printable(organism));
        said(format!("read `{TABLE}`: direction `{direction}` has {} rows for `{organism}`; {hint}", rows.len()))
    }
}

/// A number that is there.
fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(v) => Some(*v as f64),
        Cell::Number(v) if !v.is_nan() => Some(*v),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str, f64, &str)]) -> ReportTable {
        let text = |text: &str| Cell::Text(text.to_owned());
        let row = |(direction, organism, reduction, split): &(&str, &str, f64, &str)| {
            let [low, high] = [reduction - 0.1, reduction + 0.1].map(Cell::Number);
            vec![text(split), text(direction), text(organism), Cell::Number(*reduction), low, high, text("bootstrap")]
        };
        let columns = ["split", "direction", "organism", "reduction", "low", "high", "method"];
        ReportTable {
            columns: columns.map(str::to_owned).to_vec(),
            rows: rows.iter().map(row).collect(),
            ..ReportTable::default()
        }
    }

    fn rows(all: &[(&str, &str, f64, &str)], conditions: &[(&str, &str)]) -> Result<Rows, CliError> {
        let conditions: Vec<(String, String)> =
            conditions.iter().map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect();
        Rows::of(table(all), &conditions)
    }

    const ALL: [(&str, &str, f64, &str); 4] = [
        ("medical", "medical", 0.9, "test"),
        ("medical", "sport", 0.5, "test"),
        ("sport", "sport", f64::NAN, "test"),
        ("random", "medical", -0.05, "test"),
    ];

    #[test]
    fn rows_become_a_matrix_with_intervals_and_gaps() {
        let text = rows(&ALL, &[]).unwrap().matrix().unwrap();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["direction", "medical", "sport"]);
        assert_eq!(lines[1], ["medical", "0.90 [0.80, 1.00]", "0.500 [0.400, 0.600]"]);
        assert_eq!((lines[2].as_slice(), lines[3].len()), (["sport", "–", "–"].as_slice(), 3));
        assert_eq!(lines[4..], [["split: test"], ["method: bootstrap"]]);
    }

    #[test]
    fn several_rows_of_a_pair_are_told_apart_by_a_column() {
        let all = [ALL[0], ("medical", "medical", 0.7, "train")];
        let said = rows(&all, &[]).unwrap().matrix().unwrap_err().to_string();
        assert!(said.contains("--where split=VALUE: test, train"), "{said}");
        let text = rows(&all, &[("split", "train")]).unwrap().matrix().unwrap();
        assert!(text.contains("0.700") && !text.contains("0.900"), "{text}");
        assert!(rows(&all, &[("split", "none")]).is_err_and(|e| e.to_string().contains("no rows")));
        assert!(rows(&all, &[("fold", "1")]).is_err_and(|e| e.to_string().contains("`fold`")));
    }

    #[test]
    fn json_has_every_column_and_no_number_where_there_is_none() {
        let lines = rows(&ALL, &[]).unwrap().lines();
        let third: Value = serde_json::from_str(lines.lines().nth(2).unwrap()).unwrap();
        assert_eq!((&third["reduction"], &third["split"], lines.lines().count()), (&Value::Null, &"test".into(), 4));
    }
}
