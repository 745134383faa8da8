//! The runs of a folder: what state each is in, and how they differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use emhost_abi::wire::Report;
use serde::Serialize;
use serde_json::Value;

use super::folder::{Failed, RunFolder};
use super::provenance::RunRecord;
use super::{RunError, nearest};
use crate::flat::{flat, shown};
use crate::report::{ComparedRun, ComparisonReport};

/// A run as it lies on disk.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its record.
    pub record: RunRecord,
    /// Its folder.
    pub folder: RunFolder,
    /// Its plugin's words, if it is finished.
    pub report: Option<Report>,
    /// Each cell of the plan with its state.
    pub cells: Vec<(String, State)>,
    /// The summary's state.
    pub summary: State,
    /// Seconds that the finished cells and the summary took.
    pub seconds: f64,
}

/// Where a cell is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Finished.
    Done {
        /// How long it took.
        seconds: f64,
    },
    /// Its last attempt failed.
    Failed(Failed),
    /// Not begun, stopped, or running.
    Open,
}

/// All runs below `runs`, newest first; folders without a record are passed over.
pub fn list(runs: &Path) -> Result<Vec<Listed>, RunError> {
    let entries = match std::fs::read_dir(runs) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(super::folder::io("list", runs))?,
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let folder = RunFolder::at(runs, &entry.file_name().to_string_lossy());
        if folder.root().join("run.json").is_file() {
            found.push(Listed::read(folder)?);
        }
    }
    found.sort_by(|a, b| (b.record.started, &b.record.id).cmp(&(a.record.started, &a.record.id)));
    Ok(found)
}

/// The run that `name` means: an id, a beginning of one, or the beginning of its digest, which no other run has; `latest`
/// is the newest.
pub fn named(runs: &Path, name: &str) -> Result<Listed, RunError> {
    let all = list(runs)?;
    if name == "latest" {
        let none = || RunError::Usage(format!("{}: there is no run yet", runs.display()));
        return all.into_iter().next().ok_or_else(none);
    }
    let fits = |run: &&Listed| {
        let digest = run.record.id.rsplit('-').next().unwrap_or_default();
        run.record.id.starts_with(name) || digest.starts_with(name)
    };
    if let Some(exact) = all.iter().find(|run| run.record.id == name) {
        return Ok(exact.clone());
    }
    let found: Vec<&Listed> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] if !name.is_empty() => Ok((*one).clone()),
        [] => {
            let ids = all.iter().map(|run| run.record.id.as_str());
            let near = nearest(name, ids).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(RunError::Usage(format!("{}: there is no run `{name}`{near} See `emhost runs list`", runs.display())))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|run| run.record.id.as_str()).collect();
            Err(RunError::Usage(format!("`{name}` may be any of {}; write more of it", ids.join(", "))))
        }
    }
}

impl Listed {
    /// Reads a run's folder.
    pub fn read(folder: RunFolder) -> Result<Self, RunError> {
        let path = folder.root().join("run.json");
        let record: RunRecord = folder
            .read_json(&path)?
            .ok_or_else(|| RunError::Usage(format!("{}: it was removed meanwhile", path.display())))?;
        let mut seconds = 0.0;
        let mut state = |cell: Option<&str>| -> Result<State, RunError> {
            Ok(match (folder.done(cell)?, folder.failed(cell)?) {
                (Some(done), _) => {
                    seconds += done.seconds;
                    State::Done { seconds: done.seconds }
                }
                (None, Some(failed)) => State::Failed(failed),
                (None, None) => State::Open,
            })
        };
        let ids = record.plan.iter().map(|cell| &cell.id);
        let cells = ids.map(|id| Ok((id.clone(), state(Some(id))?))).collect::<Result<_, RunError>>()?;
        let summary = state(None)?;
        let finished = matches!(summary, State::Done { .. });
        let report = finished.then(|| folder.read_json(&folder.root().join("report.json"))).transpose()?.flatten();
        Ok(Self { record, report, cells, summary, seconds, folder })
    }

    /// `done`, `failed`, `running` or `open`, for a list.
    pub fn state(&self) -> &'static str {
        let failed = |state: &State| matches!(state, State::Failed(_));
        match &self.summary {
            _ if self.folder.is_locked() => "running",
            State::Done { .. } => "done",
            summary if failed(summary) || self.cells.iter().any(|(_, state)| failed(state)) => "failed",
            _ => "open",
        }
    }

    /// As a column of a comparison.
    fn compared(&self, page: &Path) -> ComparedRun {
        let report = self.folder.root().join("report.html");
        let href = report.strip_prefix(page).ok().filter(|_| self.report.is_some());
        let params = self.params();
        let seeds = params.iter().filter(|(name, _)| name.as_str() == "seed" || name.ends_with(".seed"));
        ComparedRun {
            run_id: self.record.id.clone(),
            plugin: self.record.plugin.clone(),
            version: self.record.plugin_version.clone(),
            when: self.started(),
            seeds: seeds.filter_map(|(_, seed)| seed.as_u64()).collect(),
            href: href.map(|href| href.display().to_string()).unwrap_or_default(),
            headline: self.report.as_ref().map(|report| report.headline.clone()).unwrap_or_default(),
            parameters: params.into_iter().map(|(name, value)| (name, shown(&value))).collect(),
            ..ComparedRun::default()
        }
    }

    /// When it was first started, UTC.
    pub fn started(&self) -> String {
        let moment = chrono::DateTime::from_timestamp(i64::try_from(self.record.started).unwrap_or(0), 0);
        moment.map(|moment| moment.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
    }

    /// Cells that are finished.
    pub fn done(&self) -> usize {
        self.cells.iter().filter(|(_, state)| matches!(state, State::Done { .. })).count()
    }

    /// Bytes of the run's folder.
    pub fn size(&self) -> u64 {
        bytes_below(self.folder.root())
    }

    /// The parameters by path.
    pub fn params(&self) -> BTreeMap<String, Value> {
        flat(&self.record.params).into_iter().map(|(name, value)| (name, value.clone())).collect()
    }
}

/// Runs side by side; links to their reports are relative to `page`'s folder, if it is one that holds theirs.
pub fn comparison(runs: &[Listed], title: &str, page: &Path, command: &str) -> ComparisonReport {
    let mut caveats = Vec::new();
    if runs.windows(2).any(|pair| pair[0].record.plugin_digest != pair[1].record.plugin_digest) {
        caveats.push("The runs were made by different builds of their plugins.".to_owned());
    }
    if runs.windows(2).any(|pair| pair[0].record.numerics != pair[1].record.numerics) {
        caveats.push("The runs were made with different arithmetic.".to_owned());
    }
    let unfinished = runs.iter().filter(|run| run.report.is_none());
    caveats.extend(unfinished.map(|run| format!("{} has no numbers: it is {}.", run.record.id, run.state())));
    let questions = runs.iter().filter_map(|run| run.report.as_ref()).map(|report| report.question.clone());
    ComparisonReport {
        title: title.to_owned(),
        question: questions.into_iter().next().unwrap_or_default(),
        runs: runs.iter().map(|run| run.compared(page)).collect(),
        caveats,
        provenance: vec![("emhost".to_owned(), crate::version().to_owned())],
        command: command.to_owned(),
        ..ComparisonReport::default()
    }
}

/// Removes a run's folder in one step; what it shares through the store stays.
pub fn remove(run: &Listed) -> Result<PathBuf, RunError> {
    let _lock = run.folder.lock()?;
    crate::store::remove_folder(run.folder.root())?;
    Ok(run.folder.root().to_owned())
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
