//! The folder of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::RunError;
use crate::store::write_atomic;

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
}

impl RunFolder {
    /// Opens or makes the folder of run `id` below `runs`.
    pub fn open(runs: &Path, id: &str) -> Result<Self, RunError> {
        let folder = Self { root: runs.join(id) };
        for part in ["cells", "tables", "figures", "datasets"] {
            make(&folder.root.join(part))?;
        }
        Ok(folder)
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

    /// Forgets what an unfinished attempt at a cell, or at the summary, left.
    pub fn clear(&self, cell: Option<&str>) -> Result<(), RunError> {
        let entry = self.entry(cell);
        if cell.is_some() {
            remove(&entry)?;
        } else {
            remove_file(&self.status(None))?;
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
    fs::create_dir_all(folder).map_err(io("create folder", folder))
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
