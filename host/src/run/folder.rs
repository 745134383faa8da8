//! The folder of a run.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunError;
use crate::clock::now;
use crate::store::{How, create_folders, write_atomic};

/// `runs/<id>`: everything that a run leaves behind.
#[derive(Debug, Clone)]
pub struct RunFolder {
    root: PathBuf,
}

/// What finishing an entry of the plan left: written last, so that it means that all of it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Seconds it took.
    pub seconds: f64,
    /// Tables with their number of rows.
    pub tables: BTreeMap<String, u64>,
    /// Models, adapters and rows that it was computed from, with their digests.
    pub inputs: BTreeMap<String, String>,
    /// Stages of the store that it used, and how each came to be there.
    #[serde(default)]
    pub stages: BTreeMap<String, How>,
}

/// How the last attempt at an entry ended, if it failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// What it said.
    pub message: String,
    /// The exit status that it stands for.
    pub code: u8,
    /// When it failed, UTC.
    pub at: String,
}

impl RunFolder {
    /// The folder of run `id` below `runs`, whether it is there or not.
    pub fn at(runs: &Path, id: &str) -> Self {
        Self { root: runs.join(id) }
    }

    /// Makes the folder if it is not there.
    pub fn make(&self) -> Result<(), RunError> {
        ["cells", "tables", "figures", "datasets"].iter().try_for_each(|part| make(&self.root.join(part)))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a cell, or the run's own for the summary.
    pub fn entry(&self, cell: Option<&str>) -> PathBuf {
        cell.map_or_else(|| self.root.clone(), |cell| self.root.join("cells").join(cell))
    }

    /// Path of a table of a cell, or of the run.
    pub fn table(&self, cell: Option<&str>, name: &str) -> PathBuf {
        self.entry(cell).join("tables").join(format!("{name}.parquet"))
    }

    /// Path of one of the run's datasets.
    pub fn dataset(&self, name: &str) -> PathBuf {
        self.root.join("datasets").join(name)
    }

    /// What a finished cell, or the finished summary, left; none if it is not finished.
    pub fn done(&self, cell: Option<&str>) -> Result<Option<Done>, RunError> {
        self.read_json(&self.status(cell))
    }

    /// Marks a cell, or the summary, as finished.
    pub fn finish(&self, cell: Option<&str>, done: &Done) -> Result<(), RunError> {
        self.write_json(&self.status(cell), done)
    }

    /// Marks a cell, or the summary, as failed.
    pub fn fail(&self, cell: Option<&str>, error: &RunError) -> Result<(), RunError> {
        let failed = Failed { message: error.to_string(), code: error.exit_code(), at: now() };
        self.write_json(&self.entry(cell).join("failed.json"), &failed)
    }

    /// How the last attempt at a cell, or at the summary, failed; none if it did not.
    pub fn failed(&self, cell: Option<&str>) -> Result<Option<Failed>, RunError> {
        self.read_json(&self.entry(cell).join("failed.json"))
    }

    /// Keeps other processes out of the run until the file is closed; where a file system has no locks, nobody.
    pub fn lock(&self) -> Result<File, RunError> {
        let path = self.root.join(".lock");
        let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(io("open", &path))?;
        let process = format!("process {}", std::process::id());
        // Somebody may just be looking whether it is locked.
        let locked = (0..20).find_map(|_| match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(Duration::from_millis(10));
                None
            }
            other => Some(other),
        });
        match locked.unwrap_or(Err(TryLockError::WouldBlock)) {
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                let _ = file.read_to_string(&mut by);
                let by = if by.is_empty() { "another process".to_owned() } else { by };
                Err(RunError::Busy { run: self.root.display().to_string(), by })
            }
            Err(TryLockError::Error(_)) => Ok(file),
            Ok(()) => {
                file.set_len(0).and_then(|()| file.write_all(process.as_bytes())).map_err(io("write", &path))?;
                Ok(file)
            }
        }
    }

    /// Whether a process works on the run.
    pub fn is_locked(&self) -> bool {
        let file = File::open(self.root.join(".lock"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Adds a line to the run's events.
    pub fn event(&self, event: &Value) {
        let path = self.root.join("events.jsonl");
        let line = format!("{event}\n");
        // Events are for reading; a run does not fail for want of them.
        let _ =
            File::options().create(true).append(true).open(path).and_then(|mut file| file.write_all(line.as_bytes()));
    }

    /// Forgets what an unfinished attempt at a cell, or at the summary, left.
    pub fn clear(&self, cell: Option<&str>) -> Result<(), RunError> {
        let entry = self.entry(cell);
        if cell.is_some() {
            remove(&entry)?;
        } else {
            remove_file(&self.status(None))?;
            remove_file(&self.root.join("failed.json"))?;
            remove_file(&self.root.join("report.json"))?;
            remove(&entry.join("tables"))?;
            remove(&entry.join("figures"))?;
        }
        make(&entry.join("tables"))?;
        make(&entry.join("figures"))
    }

    /// Reads a JSON file of the run; none if there is none.
    pub fn read_json<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, RunError> {
        match fs::read(path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(value) => Ok(Some(value)),
                Err(e) => Err(io("parse", path)(std::io::Error::other(e))),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io("read", path)(e)),
        }
    }

    /// Writes a JSON file of the run in one step.
    pub fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), RunError> {
        let bytes = serde_json::to_vec_pretty(value).map_err(|e| io("write", path)(std::io::Error::other(e)))?;
        Ok(write_atomic(path, &bytes)?)
    }

    fn status(&self, cell: Option<&str>) -> PathBuf {
        self.entry(cell).join(if cell.is_some() { "done.json" } else { "summary.json" })
    }
}

/// An error of the file system with its object.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |source| RunError::Io { action, path, source }
}

fn make(folder: &Path) -> Result<(), RunError> {
    create_folders(folder).map_err(io("create folder", folder))
}

fn remove(folder: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", folder)(e)),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path)(e)),
        _ => Ok(()),
    }
}
