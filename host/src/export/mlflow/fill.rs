//! A run as entries of a spool.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::entry::{Artifact, Batch, End, Entry, Metric, NewRun, Options, Pair};
use super::spool::{About, about_bytes, json, name};
use crate::export::combinations::{Curves, MOST};
use crate::export::error::{ExportError, Result};
use crate::export::names::{Names, slug};
use crate::export::place::{Place, folder};
use crate::export::run::{RunExport, numbers};
use crate::flat::{flat, shown};

/// MLflow's limits of one request.
const METRICS: usize = 1000;
const PAIRS: usize = 100;
/// Below its 1,000,000 bytes, for the run's id and what servers in between may add.
const BYTES: usize = 900_000;
/// Longest key.
const KEY: usize = 250;
/// Longest value of a tag, in bytes.
const TAG: usize = 5000;
/// Longest value of a parameter, in characters.
const PARAM: usize = 6000;

/// Writes everything that MLflow is to have of a run below `folder`, in one step; gives the spool's own folder, which
/// [`flush`](super::flush) sends.
///
/// Metrics are `CELL/TABLE/TEXTS/COLUMN` for tables with a column `step`, and `headline/QUANTITY/CONDITION/value` with
/// `low`, `high`, `control`, `p` and `n` beside it; parameters are `a.b.c`; figures are artifacts.
pub fn spool(run: &RunExport, dir: &Path, options: &Options) -> Result<PathBuf> {
    run.check()?;
    if run.id.contains('\'') {
        return Err(ExportError::input(format!("run `{}`", run.id), "MLflow cannot look for an id with a quote"));
    }
    let target = dir.join(&run.id);
    folder(&target, false, "mlflow-spool", run, |place| {
        let (name, bytes) = about_bytes(&about(run))?;
        let mut out = place.file(name)?;
        out.write(&bytes)?;
        out.finish()?;
        let mut filler = Filler { place, number: 0, batch: Batch::default(), bytes: 0, seen: HashSet::new() };
        filler.all(run, options)
    })?;
    Ok(target)
}

/// Tells a spool of the same content from another.
pub fn about(run: &RunExport) -> About {
    let tables: Vec<_> = run.tables.iter().map(|table| (&table.cell, &table.name, table.rows)).collect();
    let figures: Vec<_> =
        run.figures.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
    let content = json!([run.params, run.recipe, run.report, tables, figures, run.finished, run.started, run.seconds]);
    About { run: run.id.clone(), digest: blake3::hash(content.to_string().as_bytes()).to_hex().to_string() }
}

struct Filler<'a> {
    place: &'a mut Place,
    number: u64,
    batch: Batch,
    bytes: usize,
    seen: HashSet<(String, i64, u64)>,
}

impl Filler<'_> {
    fn all(&mut self, run: &RunExport, options: &Options) -> Result<()> {
        let start_time = i64::try_from(run.started.saturating_mul(1000)).unwrap_or(i64::MAX);
        let end_time = (run.ended() * 1000.0).round() as i64;
        let experiment = options.experiment.clone().unwrap_or_else(|| run.plugin.clone());
        self.put(&Entry::Run(NewRun { experiment, id: run.id.clone(), start_time }))?;
        tags(run).into_iter().try_for_each(|tag| self.tag(tag))?;
        let mut names = Names::new(KEY);
        for (param, value) in flat(&run.params) {
            let value = cut(&shown(value), options.longest_param.unwrap_or(PARAM), |c| c.len_utf16());
            self.param(Pair { key: names.name("param", &[&param]), value })?;
        }
        self.headline(run, end_time)?;
        self.tables(run, start_time)?;
        self.full()?;
        let status = if run.finished { "FINISHED" } else { "RUNNING" };
        self.put(&Entry::End(End { status: status.to_owned(), end_time: run.finished.then_some(end_time) }))?;
        // Last: a server may take numbers and no files.
        run.figures.iter().try_for_each(|path| self.artifact(path))
    }

    fn headline(&mut self, run: &RunExport, timestamp: i64) -> Result<()> {
        // Room for what stands behind it.
        let mut names = Names::new(KEY - 10);
        for row in run.headline() {
            let base = names.name("headline", &["headline", &row.quantity, &row.condition]);
            let numbers = numbers(row);
            for (name, value) in numbers {
                let Some(value) = value else { continue };
                self.metric(Metric { key: format!("{base}/{name}"), value, timestamp, step: 0 })?;
            }
        }
        Ok(())
    }

    fn tables(&mut self, run: &RunExport, timestamp: i64) -> Result<()> {
        let mut names = Names::new(KEY);
        for table in &run.tables {
            let Some(curves) = Curves::of(table)? else { continue };
            if curves.combinations.len() > MOST {
                tracing::warn!("table `{}` is left out: it has over {MOST} curves", table.shown());
                continue;
            }
            let mut keys: Vec<Vec<String>> = Vec::new();
            for at in 0..curves.combinations.len() {
                let label = curves.label(at);
                let mut parts: Vec<&str> = table.cell.as_deref().into_iter().chain([table.name.as_str()]).collect();
                parts.extend((!label.is_empty()).then_some(label.as_str()));
                let kind = format!("{} {at}", table.shown());
                let mut key = |column: &String| {
                    let parts: Vec<&str> = parts.iter().copied().chain([column.as_str()]).collect();
                    names.name(&kind, &parts)
                };
                keys.push(curves.columns.iter().map(&mut key).collect());
            }
            curves.read(table, |point| {
                for (key, value) in keys[point.combination].iter().zip(point.values) {
                    let Some(value) = *value else { continue };
                    self.metric(Metric { key: key.clone(), value, timestamp, step: point.step })?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn metric(&mut self, metric: Metric) -> Result<()> {
        // Servers keep one of two equal points, or refuse both.
        if !self.seen.insert((metric.key.clone(), metric.step, metric.value.to_bits())) {
            return Ok(());
        }
        self.bytes += metric.key.len() + 120;
        self.batch.metrics.push(metric);
        if self.batch.metrics.len() >= METRICS || self.bytes > BYTES { self.full() } else { Ok(()) }
    }

    fn param(&mut self, param: Pair) -> Result<()> {
        self.room(&param, |batch| batch.params.len())?;
        self.batch.params.push(param);
        Ok(())
    }

    fn tag(&mut self, tag: Pair) -> Result<()> {
        self.room(&tag, |batch| batch.tags.len())?;
        self.batch.tags.push(tag);
        Ok(())
    }

    /// Ends the batch before a pair that it has no room for.
    fn room(&mut self, pair: &Pair, count: impl Fn(&Batch) -> usize) -> Result<()> {
        let bytes = json(pair)?.len() + 1;
        if count(&self.batch) >= PAIRS || self.bytes + bytes > BYTES {
            self.full()?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Ends the batch.
    fn full(&mut self) -> Result<()> {
        (self.bytes, self.seen) = (0, HashSet::new());
        let batch = std::mem::take(&mut self.batch);
        // Kinds in requests of their own: all of them together must stay below 1,000, and a refusal is easier to read.
        let Batch { metrics, params, tags } = batch;
        let kinds = [
            Batch { tags, ..Batch::default() },
            Batch { params, ..Batch::default() },
            Batch { metrics, ..Batch::default() },
        ];
        kinds.into_iter().filter(|batch| !batch.is_empty()).try_for_each(|batch| self.put(&Entry::Batch(batch)))
    }

    fn artifact(&mut self, path: &Path) -> Result<()> {
        let bytes = fs::read(path).map_err(ExportError::io("read", path))?;
        let file = format!("{:08}.file", self.number);
        let mut out = self.place.file(&file)?;
        out.write(&bytes)?;
        out.finish()?;
        let name = slug(&path.file_name().unwrap_or_default().to_string_lossy()).replace(' ', "_");
        self.put(&Entry::Artifact(Artifact { path: format!("figures/{name}"), file }))
    }

    fn put(&mut self, entry: &Entry) -> Result<()> {
        let mut out = self.place.file(name(self.number, false))?;
        self.number += 1;
        out.write(&json(entry)?)?;
        out.finish()
    }
}

fn tags(run: &RunExport) -> Vec<Pair> {
    let report = run.report.as_ref();
    let said = |f: fn(&emhost_abi::wire::Report) -> &String| report.map_or("", |report| f(report));
    let note = note(run);
    let all = [
        ("mlflow.source.name", "emhost"),
        ("mlflow.note.content", &note),
        ("emhost.version", &run.emhost),
        ("emhost.plugin", &run.plugin),
        ("emhost.plugin_version", &run.plugin_version),
        ("emhost.command", &run.command),
        ("emhost.machine", &run.machine),
        ("emhost.recipe", &run.recipe),
        ("emhost.question", said(|report| &report.question)),
        ("emhost.verdict", said(|report| &report.verdict)),
        ("emhost.setting", said(|report| &report.setting)),
        ("emhost.finished", if run.finished { "true" } else { "false" }),
    ];
    let known = all.iter().filter(|(_, value)| !value.is_empty());
    known.map(|(key, value)| Pair { key: (*key).to_owned(), value: cut(value, TAG, char::len_utf8) }).collect()
}

/// What MLflow shows as the run's description, in Markdown.
fn note(run: &RunExport) -> String {
    let Some(report) = &run.report else { return String::new() };
    let mut note = format!("**{}**\n\n{}\n", report.question, report.verdict);
    if !report.headline.is_empty() {
        note += "\n| quantity | condition | value | 95 % | n |\n|---|---|---|---|---|\n";
    }
    for row in &report.headline {
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let interval = row.interval.map_or(String::new(), |[low, high]| format!("{low:.3} to {high:.3}"));
        note += &format!(
            "| {} | {} | {:.3} | {interval} | {} |\n",
            cell(&row.quantity),
            cell(&row.condition),
            row.value,
            row.n
        );
    }
    report.caveats.iter().for_each(|caveat| note += &format!("\n- {caveat}"));
    note
}

/// The start of a text that is too long, with a sign that it is.
fn cut(text: &str, longest: usize, size: impl Fn(char) -> usize) -> String {
    if text.chars().map(&size).sum::<usize>() <= longest {
        return text.to_owned();
    }
    const SIGN: &str = " ... (cut)";
    let mut room = longest.saturating_sub(SIGN.len());
    let fits = |c: &char| {
        let fits = size(*c) <= room;
        room = room.saturating_sub(size(*c));
        fits
    };
    text.chars().take_while(fits).collect::<String>() + SIGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        assert_eq!(cut("short", 5, char::len_utf8), "short");
        let text = "ü".repeat(100);
        let bytes = cut(&text, 31, char::len_utf8);
        assert_eq!(bytes, format!("{} ... (cut)", "ü".repeat(10)));
        assert_eq!(cut(&text, 31, char::len_utf16), format!("{} ... (cut)", "ü".repeat(21)));
    }
}
