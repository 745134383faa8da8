//! The fixture study with many cells, run by the real binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{built, fixtures};

/// A folder with runs of the study and, unless it is elsewhere, their store.
pub struct Grid {
    folder: PathBuf,
    store: PathBuf,
    sets: Vec<String>,
}

impl Grid {
    /// The study in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), store: folder.join("store"), sets: Vec::new() }
    }

    /// The same with another store.
    pub fn with_store(self, store: &Path) -> Self {
        Self { store: store.to_owned(), ..self }
    }

    /// The same with a parameter.
    pub fn set(mut self, assignment: &str) -> Self {
        self.sets.push(assignment.to_owned());
        self
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// `emhost` with this study's runs and store.
    pub fn emhost(&self) -> Command {
        let mut command = Command::new(built().emhost());
        command.current_dir(&self.folder).env("EMHOST_STORE", &self.store).env("EMHOST_RUNS", self.folder.join("runs"));
        command
    }

    /// `emhost run` of this study.
    pub fn command(&self) -> Command {
        let mut command = self.emhost();
        command.args(["run", "--plugin"]).arg(fixtures().path("grid")).args(["--progress", "none"]);
        command.args(self.sets.iter().flat_map(|set| ["--set", set]));
        command
    }

    /// Runs it and expects an exit status.
    pub fn run(&self, more: &[&str], code: i32) -> Output {
        let output = self.command().args(more).output().expect("emhost starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {said}");
        output
    }

    /// Folders of all runs, by name.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join("runs")).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.join("run.json").is_file()).collect();
        runs.sort();
        runs
    }

    /// Digests of all final tables of all runs, by run and name.
    pub fn tables(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for run in self.runs() {
            for entry in fs::read_dir(run.join("tables")).expect("a run has tables").flatten() {
                let name = entry.path().strip_prefix(&self.folder).expect("it is below").display().to_string();
                all.insert(
                    name,
                    blake3::hash(&fs::read(entry.path()).expect("a table can be read")).to_hex().to_string(),
                );
            }
        }
        all
    }

    /// How often each kind of event stands in the runs' events, such as `begin`.
    pub fn events(&self, kind: &str) -> usize {
        let lines = self.runs().into_iter().map(|run| fs::read_to_string(run.join("events.jsonl")).unwrap_or_default());
        let wanted = format!("\"event\":\"{kind}\"");
        lines.map(|text| text.lines().filter(|line| line.contains(&wanted)).count()).sum()
    }

    /// How the runs' finished cells came by their stages: `found`, `waited`, `computed`, with their number.
    pub fn stages(&self) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for run in self.runs() {
            for cell in fs::read_dir(run.join("cells")).into_iter().flatten().flatten() {
                let Ok(text) = fs::read_to_string(cell.path().join("done.json")) else { continue };
                let done: serde_json::Value = serde_json::from_str(&text).expect("done.json is JSON");
                for how in done["stages"].as_object().into_iter().flat_map(|stages| stages.values()) {
                    *all.entry(how.as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
                }
            }
        }
        all
    }
}

/// Everything below a folder, hidden or not.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}
