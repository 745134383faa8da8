//! The runs of a folder: what state each is in, and how they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use emhost_abi::wire::{Headline, Report};
use emhost_stats::interval::difference;
use serde::Serialize;
use serde_json::{Map, Value};

use super::folder::{Failed, RunFolder};
use super::provenance::RunRecord;
use super::{RunError, nearest};

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

/// One quantity under one condition, over several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// What was measured.
    pub quantity: String,
    /// Under which condition.
    pub condition: String,
    /// The run's number, where it has it.
    pub runs: Vec<Option<Headline>>,
    /// Second less first, where there are two, with its interval.
    pub difference: Option<(f64, Option<[f64; 2]>)>,
}

/// Where the interval of a difference comes from.
pub const DIFFERENCE: &str =
    "difference of two independent estimates from their intervals (MOVER; Zou and Donner 2008, Stat. Med. 27:1693)";

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
    fn read(folder: RunFolder) -> Result<Self, RunError> {
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
        let mut found = BTreeMap::new();
        flatten("", &self.record.params, &mut found);
        found
    }
}

/// Parameters that are not the same in all runs, with each run's value; absent means the plugin's default.
pub fn differing(runs: &[Listed]) -> Vec<(String, Vec<Option<Value>>)> {
    let all: Vec<BTreeMap<String, Value>> = runs.iter().map(Listed::params).collect();
    let keys: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let values = |key: &String| all.iter().map(|params| params.get(key).cloned()).collect::<Vec<_>>();
    let rows = keys.into_iter().map(|key| (key.clone(), values(key)));
    rows.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

/// The headline numbers of several runs side by side, in the order in which they first appear.
pub fn compare(runs: &[Listed]) -> Vec<Compared> {
    let headline = |run: &Listed| run.report.as_ref().map(|report| report.headline.clone()).unwrap_or_default();
    let all: Vec<Vec<Headline>> = runs.iter().map(headline).collect();
    let mut rows: Vec<Compared> = Vec::new();
    for number in all.iter().flatten() {
        let same = |row: &Compared| row.quantity == number.quantity && row.condition == number.condition;
        if rows.iter().any(same) {
            continue;
        }
        let of = |list: &Vec<Headline>| {
            list.iter().find(|h| h.quantity == number.quantity && h.condition == number.condition).cloned()
        };
        let runs: Vec<Option<Headline>> = all.iter().map(of).collect();
        let difference = match runs.as_slice() {
            [Some(first), Some(second)] => Some((
                second.value - first.value,
                first.interval.zip(second.interval).map(|(a, b)| difference(second.value, b, first.value, a)),
            )),
            _ => None,
        };
        rows.push(Compared {
            quantity: number.quantity.clone(),
            condition: number.condition.clone(),
            runs,
            difference,
        });
    }
    rows
}

/// Removes a run's folder in one step; what it shares through the store stays.
pub fn remove(run: &Listed) -> Result<PathBuf, RunError> {
    let _lock = run.folder.lock()?;
    crate::store::remove_folder(run.folder.root())?;
    Ok(run.folder.root().to_owned())
}

fn flatten(path: &str, params: &Map<String, Value>, found: &mut BTreeMap<String, Value>) {
    for (key, value) in params {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(map) if !map.is_empty() => flatten(&path, map, found),
            value => drop(found.insert(path, value.clone())),
        }
    }
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
