//! `emhost runs`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::CliError;
use super::run::typed;
use super::terminal::{print, table, width};
use crate::config::Settings;
use crate::export::{export_csv, export_inspect, export_tensorboard, mlflow};
use crate::report::{
    ComparisonReport, Metric, MetricValue as Value, Parameter, headline_text, metrics, number_with_interval,
    parameters, render_comparison,
};
use crate::run::{self, Listed, State};
use crate::store::write_atomic;
use crate::units::{bytes, seconds};

/// List, show, compare, export and remove runs.
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
        /// Also write a page with figures.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a run for other tools: CSV, a log of Inspect, TensorBoard's event files, or a tracking server of MLflow.
    ///
    /// CSV has every table. An Inspect log (`inspect view`) has the answers that the report shows, with their scores;
    /// event files (`tensorboard --logdir`) have every table with a column `step` and the headline numbers. What goes to MLflow
    /// is kept beside the run until the server has it: the same command goes on, and nothing is sent twice.
    Export(ExportArgs),
    /// Remove runs; what they share through the store stays.
    Rm {
        /// The runs.
        #[arg(required = true)]
        runs: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct ExportArgs {
    /// The run.
    run: String,
    /// What for.
    #[arg(long, value_enum)]
    to: Target,
    /// Folder to write; by default `exports/TO` in the run's own.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Replace an earlier export.
    #[arg(long)]
    replace: bool,
    /// MLflow's address; by default `MLFLOW_TRACKING_URI`. User, password and token are those of MLflow's own variables.
    #[arg(long, value_name = "URL")]
    tracking_uri: Option<String>,
    /// MLflow's experiment; by default the plugin's name.
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Target {
    /// A folder of CSV files.
    Csv,
    /// Logs that inspect_ai reads.
    Inspect,
    /// Event files.
    Tensorboard,
    /// A tracking server.
    Mlflow,
}

pub(super) fn run(args: RunsArgs, settings: &Settings) -> Result<(), CliError> {
    let named = |name: &String| run::named(&settings.runs, name);
    match args.command {
        RunsCommand::List { json } => list(&run::list(&settings.runs)?, json),
        RunsCommand::Show { run, json } => show(&named(&run)?, json),
        RunsCommand::Compare { runs, html, json } => {
            let runs = runs.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            let page = html.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
            let report = run::comparison(&runs, "Comparison of runs", page, &typed());
            if let Some(path) = &html {
                write_atomic(path, render_comparison(&report).as_bytes())?;
            }
            compare(&report, json)
        }
        RunsCommand::Export(args) => export(&args, &named(&args.run)?),
        RunsCommand::Rm { runs } => {
            let runs = runs.iter().map(named).collect::<Result<Vec<_>, _>>()?;
            for run in &runs {
                print(&format!("removed {}\n", run::remove(run)?.display()))?;
            }
            Ok(())
        }
    }
}

fn export(args: &ExportArgs, run: &Listed) -> Result<(), CliError> {
    let data = run::exported(run)?;
    let exports = run.folder.root().join("exports");
    let target = |name: &str| args.out.clone().unwrap_or_else(|| exports.join(name));
    let made = match args.to {
        Target::Csv => export_csv(&data, &target("csv"), args.replace)?,
        Target::Inspect => export_inspect(&data, &target("inspect"), args.replace)?,
        Target::Tensorboard => export_tensorboard(&data, &target("tensorboard"), args.replace)?,
        Target::Mlflow => {
            let options = mlflow::Options { experiment: args.experiment.clone(), ..mlflow::Options::default() };
            let server = mlflow::Server::from_env(args.tracking_uri.as_deref())?;
            let sent = mlflow::export_mlflow(&data, &target("mlflow"), &options, &server)?;
            sent.notes.iter().for_each(|note| eprintln!("{note}"));
            let mlflow::Sent { url, run, metrics, known, params, tags, .. } = sent;
            let text = format!(
                "{url}: run {run}, {metrics} points sent and {known} there before, {params} parameters, {tags} tags\n"
            );
            return Ok(print(&text)?);
        }
    };
    made.notes.iter().for_each(|note| eprintln!("{note}"));
    Ok(print(&format!("{}: {} files, {} rows\n", made.path.display(), made.files.len(), made.rows))?)
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
            run.started(),
        ]
    };
    Ok(print(&table(header, runs.iter().map(row).collect()))?)
}

fn described(run: &Listed) -> serde_json::Value {
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
        run.started(),
        record.machine,
        record.plugin,
        record.plugin_version,
        record.host()
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

fn compare(report: &ComparisonReport, as_json: bool) -> Result<(), CliError> {
    let (params, numbers) = (parameters(report), metrics(report));
    let ids: Vec<&str> = report.runs.iter().map(|run| run.run_id.as_str()).collect();
    let differing: Vec<&Parameter> = params.iter().filter(|param| param.differs()).collect();
    if as_json {
        let params = differing.iter().map(|param| json!({ "param": param.name, "values": param.values }));
        let value =
            |value: &Option<Value>| value.map(|v| json!({ "value": v.value, "interval": v.interval, "n": v.n }));
        let number = |metric: &Metric| {
            let difference = metric.difference.as_ref();
            json!({
                "quantity": metric.quantity,
                "condition": metric.condition,
                "runs": metric.values.iter().map(value).collect::<Vec<_>>(),
                "difference": difference.map(|d| json!({ "value": d.value, "interval": d.interval, "method": d.method })),
            })
        };
        let all = json!({
            "runs": ids,
            "params": params.collect::<Vec<_>>(),
            "numbers": numbers.iter().map(number).collect::<Vec<_>>(),
            "caveats": report.caveats,
        });
        return Ok(print(&format!("{all:#}\n"))?);
    }
    let heads = |first: &[&str], last: &[&str]| {
        let words = first.iter().chain(&ids).chain(last);
        words.map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let mut text = match differing.is_empty() {
        true => "all parameters are equal\n".to_owned(),
        false => table(heads(&["parameter"], &[]), differing.iter().map(|param| parameter(param)).collect()),
    };
    if !numbers.is_empty() {
        let last: &[&str] = if ids.len() == 2 { &["difference"] } else { &[] };
        let rows = numbers.iter().map(|metric| number(metric, ids.len())).collect();
        text += &format!("\n{}", table(heads(&["quantity", "condition"], last), rows));
    }
    let mut methods: Vec<&str> = Vec::new();
    for metric in &numbers {
        let difference = metric.difference.as_ref().map(|difference| &difference.method);
        methods.extend(difference.map(String::as_str).filter(|method| !method.is_empty()));
    }
    methods.dedup();
    text += &methods.iter().map(|method| format!("\ndifference: {method}\n")).collect::<String>();
    text += &report.caveats.iter().map(|caveat| format!("{caveat}\n")).collect::<String>();
    Ok(print(&text)?)
}

fn parameter(param: &Parameter) -> Vec<String> {
    let values = param.values.iter().map(|value| value.clone().unwrap_or_else(|| "default".to_owned()));
    std::iter::once(param.name.clone()).chain(values).collect()
}

fn number(metric: &Metric, runs: usize) -> Vec<String> {
    let shown = |value: f64, interval: Option<[f64; 2]>| {
        let (value, interval) = number_with_interval(value, interval);
        interval.map_or(value.clone(), |interval| format!("{value} {interval}"))
    };
    let mut cells = vec![metric.quantity.clone(), metric.condition.clone()];
    let missing = || "–".to_owned();
    cells.extend(metric.values.iter().map(|value| value.map_or_else(missing, |v| shown(v.value, v.interval))));
    if runs == 2 {
        cells.push(metric.difference.as_ref().map_or_else(missing, |d| shown(d.value, d.interval)));
    }
    cells
}
