//! The log around the samples.

use std::path::Path;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use emhost_abi::wire::{AnswersNote, Headline};
use serde_json::{Value, json};

use super::sample::Samples;
use super::tally::Tally;
use crate::export::error::{ExportError, Result};
use crate::export::names::slug;
use crate::export::place::{Exported, Out, Place, folder};
use crate::export::run::{RunExport, TableExport};
use crate::export::value::json_number;

/// Makes the folder `target` with one log per table of answers, to be read by `inspect view --log-dir` and
/// `inspect_ai.log.read_eval_log`. A folder that an export made is replaced if `replace` says so.
///
/// A sample's id says its question and conditions, its epoch counts the answers that share them. A missing judgment is
/// no score, and `missing_scores` of the sample's metadata names it.
pub fn export_inspect(run: &RunExport, target: &Path, replace: bool) -> Result<Exported> {
    run.check()?;
    let logs = logs(run)?;
    folder(target, replace, "inspect", run, |place| {
        logs.iter().try_for_each(|(note, table)| write(run, note, table, place))
    })
}

/// Every table of answers with what is said of it.
fn logs(run: &RunExport) -> Result<Vec<(&AnswersNote, &TableExport)>> {
    let nothing = |problem: &str| ExportError::Nothing {
        run: run.id.clone(),
        target: "an Inspect log",
        problem: problem.to_owned(),
    };
    let report =
        run.report.as_ref().ok_or_else(|| nothing("it has no report yet, which names the tables of answers"))?;
    let mut all = Vec::new();
    for note in &report.answers {
        let before = all.len();
        let named = || run.tables.iter().filter(|table| table.name == note.table);
        // The run's own table has the rows of its cells.
        let own = named().any(|table| table.cell.is_none());
        all.extend(named().filter(|table| table.cell.is_none() || !own).map(|table| (note, table)));
        if all.len() == before {
            let problem = "the report names it as a table of answers, and the run has no such table";
            return Err(ExportError::input(format!("table `{}`", note.table), problem));
        }
    }
    if all.is_empty() {
        return Err(nothing("its report names no table of answers (`answers`)"));
    }
    Ok(all)
}

/// Writes one log: the means come before the samples, so the table is read twice.
fn write(run: &RunExport, note: &AnswersNote, table: &TableExport, place: &mut Place) -> Result<()> {
    let model = model(run);
    let mut tally = Tally::new(note);
    let mut samples = Samples::new(note, table, &model)?;
    samples.read(|sample| tally.add(sample))?;
    let task = slug(&format!("{}-{}", run.plugin, table.shown())).replace(['_', ' '], "-");
    let id = digest(&format!("{}\n{}", run.id, table.shown()));
    let begun = time(run.started as f64);
    // Inspect takes time, task and id from the name.
    let mut out = place.file(format!("{}_{task}_{id}.json", begun.format("%Y-%m-%dT%H-%M-%S-00-00")))?;
    let spec = spec(run, note, table, &tally, &model, &task, &id);
    let iso = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, false);
    let completed = if run.finished { iso(time(run.ended())) } else { String::new() };
    let head = [
        ("version", json!(2)),
        ("status", json!(if run.finished { "success" } else { "started" })),
        ("eval", spec),
        ("plan", json!({ "name": "plan", "steps": [], "config": {} })),
        ("results", tally.results()),
        ("stats", json!({ "started_at": iso(begun), "completed_at": completed, "model_usage": {} })),
    ];
    for (at, (name, value)) in head.iter().enumerate() {
        out.write(format!("{}\"{name}\":", if at == 0 { "{\n" } else { ",\n" }).as_bytes())?;
        put(&mut out, value)?;
    }
    out.write(b",\n\"samples\":[")?;
    let mut first = true;
    let rows = samples.read(|sample| {
        out.write(if first { b"\n" } else { b",\n" })?;
        first = false;
        put(&mut out, &sample.json())
    })?;
    out.write(b"\n]}\n")?;
    place.count(rows);
    out.finish()
}

fn spec(
    run: &RunExport,
    note: &AnswersNote,
    table: &TableExport,
    tally: &Tally,
    model: &str,
    task: &str,
    id: &str,
) -> Value {
    let report = run.report.as_ref();
    let said = |f: fn(&emhost_abi::wire::Report) -> &String| report.map(f).cloned().unwrap_or_default();
    json!({
        "eval_id": id,
        "run_id": run.id,
        "created": time(run.started as f64).to_rfc3339_opts(SecondsFormat::AutoSi, false),
        "task": task,
        "task_id": digest(task),
        "task_description": said(|report| &report.question),
        "task_version": 0,
        "task_attribs": {},
        "task_args": run.params,
        "dataset": { "name": table.shown(), "samples": tally.ids().len(), "sample_ids": tally.ids(), "shuffled": false },
        "model": model,
        "model_args": {},
        "config": { "epochs": tally.epochs() },
        "packages": { "emhost": run.emhost, (run.plugin.as_str()): run.plugin_version },
        "metadata": {
            "question": said(|report| &report.question),
            "verdict": said(|report| &report.verdict),
            "setting": said(|report| &report.setting),
            "caveats": report.map(|report| report.caveats.clone()).unwrap_or_default(),
            "caption": note.caption,
            "headline": run.headline().iter().map(headline).collect::<Vec<Value>>(),
            "recipe": run.recipe,
            "command": run.command,
            "machine": run.machine,
            "table": table.shown(),
        },
    })
}

fn headline(row: &Headline) -> Value {
    json!({
        "quantity": row.quantity,
        "condition": row.condition,
        "value": json_number(row.value),
        "interval": row.interval.map(|ends| ends.map(json_number)),
        "control": row.control.map(json_number),
        "p": row.p.map(json_number),
        "n": row.n,
        "method": row.method,
    })
}

/// The parameter `model`, where the plugin has one of that name.
fn model(run: &RunExport) -> String {
    let given = run.params.get("model").and_then(Value::as_str);
    given.map_or_else(|| format!("emhost/{}", run.plugin), str::to_owned)
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..22].to_owned()
}

/// Seconds since 1970 as a time; what no calendar has is 1970.
fn time(seconds: f64) -> DateTime<Utc> {
    Utc.timestamp_micros((seconds * 1e6).round() as i64).single().unwrap_or_default()
}

fn put(out: &mut Out, value: &Value) -> Result<()> {
    let text = serde_json::to_vec(value).map_err(|e| ExportError::input("a value of the log", e.to_string()))?;
    out.write(&text)
}
