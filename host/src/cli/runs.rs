//! `emhost runs`.

use serde_json::{Value, json};

use super::args::CliError;
use super::terminal::{print, table, width};
use crate::config::Settings;
use crate::report::{headline_text, number_with_interval};
use crate::run::{self, Compared, DIFFERENCE, Listed, State};
use crate::units::{bytes, seconds};

/// List, show, compare and remove runs.
///
/// A run is named by its id, by a beginning of the id, or by a beginning of the digest at its end, as long as no other run
/// begins so; `latest` is the newest.
#[derive(Debug, clap::Args)]
pub struct RunsArgs {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RunsCommand {
    /// List all runs, newest first, with state, cells and time.
    List {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Show a run: its cells with their state, what failed, its recipe and its headline numbers.
    Show {
        /// The run.
        run: String,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show in which parameters and numbers runs differ, with intervals.
    Compare {
        /// Two or more runs; differences are those of the second less the first.
        #[arg(required = true, num_args = 2..)]
        runs: Vec<String>,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove runs; what they share through the store stays.
    Rm {
        /// The runs.
        #[arg(required = true)]
        runs: Vec<String>,
    },
}

pub(super) fn run(args: RunsArgs, settings: &Settings) -> Result<(), CliError> {
    let named = |name: &String| run::named(&settings.runs, name);
    match args.command {
        RunsCommand::List { json } => list(&run::list(&settings.runs)?, json),
        RunsCommand::Show { run, json } => show(&named(&run)?, json),
        RunsCommand::Compare { runs, json } => {
            let runs = runs.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            compare(&runs, json)
        }
        RunsCommand::Rm { runs } => {
            let runs = runs.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            for run in &runs {
                print(&format!("removed {}\n", run::remove(run)?.display()))?;
            }
            Ok(())
        }
    }
}

fn list(runs: &[Listed], as_json: bool) -> Result<(), CliError> {
    if as_json {
        let line = |run: &Listed| format!("{}\n", described(run));
        return Ok(print(&runs.iter().map(line).collect::<String>())?);
    }
    let header = ["run", "state", "cells", "work", "size", "started"].map(str::to_owned).to_vec();
    let row = |run: &Listed| {
        vec![
            run.record.id.clone(),
            run.state().to_owned(),
            format!("{}/{}", run.done(), run.cells.len()),
            seconds(run.seconds),
            bytes(run.size()),
            started(run),
        ]
    };
    Ok(print(&table(header, runs.iter().map(row).collect()))?)
}

fn started(run: &Listed) -> String {
    let moment = chrono::DateTime::from_timestamp(i64::try_from(run.record.started).unwrap_or(0), 0);
    moment.map(|moment| moment.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

fn described(run: &Listed) -> Value {
    json!({
        "id": run.record.id,
        "plugin": run.record.plugin,
        "state": run.state(),
        "done": run.done(),
        "cells": run.cells.len(),
        "seconds": run.seconds,
        "bytes": run.size(),
        "started": run.record.started,
        "folder": run.folder.root(),
    })
}

fn show(run: &Listed, as_json: bool) -> Result<(), CliError> {
    if as_json {
        let mut all = described(run);
        all["record"] = json!(run.record);
        all["states"] = json!(run.cells);
        all["summary"] = json!(run.summary);
        all["report"] = json!(run.report);
        return Ok(print(&format!("{all:#}\n"))?);
    }
    let record = &run.record;
    let mut text = format!(
        "{} ({})\n{}\nstarted {} on {}, {} {}, emhost {}\n\n",
        record.id,
        run.state(),
        run.folder.root().display(),
        started(run),
        record.machine,
        record.plugin,
        record.plugin_version,
        record.emhost
    );
    let state = |name: &str, state: &State| match state {
        State::Done { seconds: took } => vec![name.to_owned(), "done".to_owned(), seconds(*took)],
        State::Failed(failed) => vec![name.to_owned(), "failed".to_owned(), failed.message.clone()],
        State::Open => vec![name.to_owned(), "open".to_owned(), String::new()],
    };
    let mut rows: Vec<Vec<String>> = run.cells.iter().map(|(id, is)| state(id, is)).collect();
    rows.push(state("summary", &run.summary));
    text += &table(["cell", "state", ""].map(str::to_owned).to_vec(), rows);
    text += &format!("\nrecipe\n{}", indented(&record.recipe));
    if let Some(report) = &run.report {
        text += &format!("\n{}\n\n{}", report.verdict, headline_text(report, width()));
        text += &format!("report: {}\n", run.folder.root().join("report.html").display());
    }
    Ok(print(&text)?)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn compare(runs: &[Listed], as_json: bool) -> Result<(), CliError> {
    let (params, numbers) = (run::differing(runs), run::compare(runs));
    let ids: Vec<&str> = runs.iter().map(|run| run.record.id.as_str()).collect();
    if as_json {
        let params: Value = params.iter().map(|(name, values)| json!({ "param": name, "values": values })).collect();
        let all = json!({ "runs": ids, "params": params, "numbers": numbers, "difference": DIFFERENCE });
        return Ok(print(&format!("{all:#}\n"))?);
    }
    let mut text = String::new();
    if runs.windows(2).any(|pair| pair[0].record.plugin_digest != pair[1].record.plugin_digest) {
        text += "The plugins are not the same build.\n";
    }
    let heads = |first: &str| std::iter::once(first).chain(ids.iter().copied()).map(str::to_owned).collect::<Vec<_>>();
    let shown = |value: &Option<Value>| value.as_ref().map_or("default".to_owned(), Value::to_string);
    let rows =
        params.iter().map(|(name, values)| std::iter::once(name.clone()).chain(values.iter().map(shown)).collect());
    text += &match params.is_empty() {
        true => "all parameters are equal\n".to_owned(),
        false => table(heads("parameter"), rows.collect()),
    };
    let mut header = heads("quantity");
    header.insert(1, "condition".to_owned());
    if runs.len() == 2 {
        header.push("difference".to_owned());
    }
    if !numbers.is_empty() {
        text += &format!("\n{}", table(header, numbers.iter().map(|row| compared(row, runs.len())).collect()));
    }
    if runs.len() == 2 {
        text += &format!("\n{DIFFERENCE}\n");
    }
    for run in runs.iter().filter(|run| run.report.is_none()) {
        text += &format!("{} has no numbers: it is {}\n", run.record.id, run.state());
    }
    Ok(print(&text)?)
}

fn compared(row: &Compared, runs: usize) -> Vec<String> {
    let shown = |value: f64, interval: Option<[f64; 2]>| {
        let (value, interval) = number_with_interval(value, interval);
        interval.map_or(value.clone(), |interval| format!("{value} {interval}"))
    };
    let mut cells = vec![row.quantity.clone(), row.condition.clone()];
    let number = |number: &Option<emhost_abi::wire::Headline>| {
        number.as_ref().map_or("–".to_owned(), |number| shown(number.value, number.interval))
    };
    cells.extend(row.runs.iter().map(number));
    if runs == 2 {
        cells.push(row.difference.map_or("–".to_owned(), |(value, interval)| shown(value, interval)));
    }
    cells
}
