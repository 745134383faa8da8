//! Tables over steps as curves, the headline as numbers at step 0, parameters as text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde_json::json;

use super::event::{self, Tagged};
use crate::export::combinations::{Curves, MOST};
use crate::export::error::{ExportError, Result};
use crate::export::names::Names;
use crate::export::place::{Exported, Out, Place, folder};
use crate::export::run::{RunExport, numbers};
use crate::flat::{flat, shown};

/// Makes the folder `target`, to be read by `tensorboard --logdir`. A folder that an export made is replaced if `replace`
/// says so.
///
/// A run of TensorBoard is a cell together with what the text columns say; its tags are `TABLE/COLUMN`. The headline is
/// in the folder itself, as `headline/QUANTITY/CONDITION/value` with `low`, `high`, `control`, `p` and `n` beside it.
/// Numbers keep their 64 bits; nulls are left out. The text `emhost/run` in each run says which cell and texts it is.
pub fn export_tensorboard(run: &RunExport, target: &Path, replace: bool) -> Result<Exported> {
    run.check()?;
    let mut tables = Vec::new();
    for table in &run.tables {
        if let Some(curves) = Curves::of(table)? {
            tables.push((table, curves));
        }
    }
    if tables.is_empty() && run.headline().is_empty() {
        let problem = "it has no table with a column `step` of whole numbers, and no headline".to_owned();
        return Err(ExportError::Nothing { run: run.id.clone(), target: "TensorBoard", problem });
    }
    folder(target, replace, "tensorboard", run, |place| {
        let mut files = Files::new(run);
        files.summary(run, place)?;
        for (table, curves) in &tables {
            if curves.combinations.len() > MOST {
                let texts = curves.texts.join(", ");
                place.note(format!("table `{}`: its texts ({texts}) tell over {MOST} curves apart", table.shown()));
                continue;
            }
            let tags: Vec<String> = curves.columns.iter().map(|column| format!("{}/{column}", table.name)).collect();
            let files_of: Vec<usize> = (0..curves.combinations.len())
                .map(|at| files.open(table.cell.as_deref(), curves, at, place))
                .collect::<Result<_>>()?;
            let rows = curves.read(table, |point| {
                let values: Vec<(&str, f64)> =
                    tags.iter().zip(point.values).filter_map(|(tag, value)| Some((tag.as_str(), (*value)?))).collect();
                files.add(files_of[point.combination], point.step, &values)
            })?;
            place.count(rows);
        }
        files.all.into_iter().try_for_each(|file| file.out.finish())
    })
}

/// Event files that are being written, one per run of TensorBoard.
struct Files {
    all: Vec<EventFile>,
    known: HashMap<String, usize>,
    names: Names,
    name: String,
    time: f64,
}

struct EventFile {
    out: Out,
    tags: HashSet<String>,
}

impl Files {
    fn new(run: &RunExport) -> Self {
        let machine = crate::export::names::slug(&run.machine);
        Self {
            all: Vec::new(),
            known: HashMap::new(),
            names: Names::new(200),
            name: format!("events.out.tfevents.{:010}.{machine}", run.started),
            time: run.started as f64,
        }
    }

    /// The file of a cell and a combination, which many tables may share.
    fn open(&mut self, cell: Option<&str>, curves: &Curves, at: usize, place: &mut Place) -> Result<usize> {
        let texts: BTreeMap<&String, &Option<String>> = curves.texts.iter().zip(&curves.combinations[at]).collect();
        let about = json!({ "cell": cell, "texts": texts }).to_string();
        if let Some(&file) = self.known.get(&about) {
            return Ok(file);
        }
        let label = curves.label(at);
        let parts: Vec<&str> = cell.into_iter().chain((!label.is_empty()).then_some(label.as_str())).collect();
        // The summary's file lies in the folder itself.
        let folder = self.names.name(&about, if parts.is_empty() { &["run"] } else { &parts });
        let mut out = place.file(Path::new(&folder).join(&self.name))?;
        out.write(&event::version(self.time))?;
        out.write(&event::at(0, self.time, vec![Tagged::text("emhost/run", &about)]))?;
        self.all.push(EventFile { out, tags: HashSet::new() });
        self.known.insert(about, self.all.len() - 1);
        Ok(self.all.len() - 1)
    }

    fn add(&mut self, file: usize, step: i64, values: &[(&str, f64)]) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        let EventFile { out, tags } = &mut self.all[file];
        let mut tagged = Vec::with_capacity(values.len());
        for (tag, value) in values {
            let number = Tagged::number(tag, *value);
            let known = tags.contains(*tag) || !tags.insert((*tag).to_owned());
            tagged.push(if known { number } else { number.first("") });
        }
        out.write(&event::at(step, self.time, tagged))
    }

    /// Headline, parameters and origin.
    fn summary(&self, run: &RunExport, place: &mut Place) -> Result<()> {
        let mut out = place.file(&self.name)?;
        out.write(&event::version(self.time))?;
        let mut names = Names::new(1000);
        for row in run.headline() {
            let numbers = numbers(row);
            let base = names.name("headline", &["headline", &row.quantity, &row.condition]);
            let about = format!("{}; {}; {}", row.quantity, row.condition, row.method);
            let tagged = |(name, value): &(&str, Option<f64>)| {
                Some(Tagged::number(&format!("{base}/{name}"), (*value)?).first(&about))
            };
            out.write(&event::at(0, run.ended(), numbers.iter().filter_map(tagged).collect()))?;
        }
        let mut texts = vec![("params", table(&flat_shown(run))), ("emhost/origin", table(&origin(run)))];
        if let Some(report) = &run.report {
            texts.push(("question", report.question.clone()));
            texts.push(("verdict", report.verdict.clone()));
        }
        let texts = texts.iter().map(|(tag, text)| Tagged::text(tag, text)).collect();
        out.write(&event::at(0, self.time, texts))?;
        out.finish()
    }
}

fn flat_shown(run: &RunExport) -> Vec<(String, String)> {
    flat(&run.params).into_iter().map(|(name, value)| (name, shown(value))).collect()
}

fn origin(run: &RunExport) -> Vec<(String, String)> {
    let rows = [
        ("run", run.id.as_str()),
        ("plugin", &run.plugin),
        ("plugin version", &run.plugin_version),
        ("emhost", &run.emhost),
        ("command", &run.command),
        ("machine", &run.machine),
    ];
    rows.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// A table in Markdown.
fn table(rows: &[(String, String)]) -> String {
    let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ");
    let lines = rows.iter().map(|(name, value)| format!("| {} | {} |\n", cell(name), cell(value)));
    format!("| name | value |\n|---|---|\n{}", lines.collect::<String>())
}
