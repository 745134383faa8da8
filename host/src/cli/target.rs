//! Where a command's result goes: a new file or dataset, or one that replaces another in one step.

use std::path::{Path, PathBuf};

use super::args::CliError;
use crate::run::RunError;
use crate::store::{Dataset, write_atomic, write_new_atomic};

/// The final name of a result, and the name under which it is made.
pub(super) struct Target {
    path: PathBuf,
    force: bool,
    staging: Option<tempfile::TempDir>,
}

impl Target {
    /// Checks the final name before any work is done.
    pub fn new(path: &Path, force: bool) -> Result<Self, CliError> {
        let refuse = |problem: &str| {
            let message = format!("write {}: {problem}", path.display());
            Err(CliError::Said { message, code: 2 })
        };
        let exists = std::fs::symlink_metadata(path).is_ok();
        if exists && !force {
            return refuse("it exists already; choose another name, or replace it with --force");
        }
        if exists && !is_jsonl(path) && Dataset::open(path).is_err() {
            return refuse("--force replaces datasets only, and this is none");
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if let Some(other @ ("json" | "csv" | "txt" | "parquet" | "tsv")) = extension.as_deref() {
            return refuse(&format!(
                "it ends in .{other}; lines are written to NAME.jsonl, a dataset to any other name"
            ));
        }
        if path.is_dir() && is_jsonl(path) {
            return refuse("it is a folder");
        }
        Ok(Self { path: path.to_owned(), force: exists && force, staging: None })
    }

    /// Whether lines of JSON are wanted, not a dataset.
    pub fn is_jsonl(&self) -> bool {
        is_jsonl(&self.path)
    }

    /// Where the dataset is made: its final name, or beside a dataset that it will replace.
    pub fn dataset(&mut self) -> Result<PathBuf, RunError> {
        if !self.force {
            return Ok(self.path.clone());
        }
        let parent = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let staging = tempfile::Builder::new().prefix(".emhost-").tempdir_in(parent).map_err(self.io("create"))?;
        let name = self.path.file_name().unwrap_or_default();
        Ok(self.staging.insert(staging).path().join(name))
    }

    /// Writes lines under the final name, which must still be free unless it is replaced.
    pub fn write(&self, text: &[u8]) -> Result<PathBuf, RunError> {
        let write = if self.force { write_atomic } else { write_new_atomic };
        write(&self.path, text)?;
        Ok(self.path.clone())
    }

    /// Puts a dataset in the place of the old one.
    pub fn publish(self) -> Result<PathBuf, RunError> {
        if let Some(staging) = &self.staging {
            let name = self.path.file_name().unwrap_or_default();
            std::fs::rename(&self.path, staging.path().join("replaced")).map_err(self.io("replace"))?;
            std::fs::rename(staging.path().join(name), &self.path).map_err(self.io("replace"))?;
        }
        Ok(self.path)
    }

    fn io(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
        let path = self.path.clone();
        move |source| RunError::Io { action, path, source }
    }
}

fn is_jsonl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jsonl")
}
