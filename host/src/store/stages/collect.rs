//! Room in the cache: stages that nobody has used for long go, and so does what killed processes left.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{Stage, Stages};
use crate::store::StoreError;
use crate::store::atomic::remove_folder;
use crate::store::temporary::sweep;

/// What stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keep {
    /// Stages that were used within this time.
    pub used_within: Duration,
    /// At most as many bytes; those that were used last stay.
    pub bytes: Option<u64>,
}

/// What went, or would go.
#[derive(Debug, Default)]
pub struct Collected {
    /// Stages.
    pub stages: Vec<Stage>,
    /// Unfinished work of processes that are gone.
    pub strays: Vec<PathBuf>,
    /// What could not be removed, and why.
    pub failed: Vec<StoreError>,
}

impl Stages {
    /// Chooses what goes, oldest use first, and removes it unless `dry`. A stage is removed in one step.
    pub fn collect(&self, keep: Keep, dry: bool) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for shelf in self.shelves()? {
            collected.strays.extend(sweep(&shelf, dry));
            collected.strays.extend(idle_locks(&shelf, dry));
        }
        let (mut stages, broken) = self.all()?;
        collected.failed.extend(broken);
        stages.sort_by_key(|stage| stage.used);
        let mut held: u64 = stages.iter().map(|stage| stage.record.bytes()).sum();
        let now = SystemTime::now();
        for stage in stages {
            let unused = now.duration_since(stage.used).unwrap_or_default();
            let too_much = keep.bytes.is_some_and(|most| held > most);
            if !too_much && (keep.bytes.is_some() || unused <= keep.used_within) {
                continue;
            }
            held -= stage.record.bytes();
            match if dry { Ok(()) } else { remove_folder(&stage.folder) } {
                Ok(()) => collected.stages.push(stage),
                Err(error) => collected.failed.push(error),
            }
        }
        Ok(collected)
    }
}

/// Lock files that nobody holds.
fn idle_locks(shelf: &std::path::Path, dry: bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(shelf) else { return Vec::new() };
    let lock = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with('.') && name.ends_with(".lock")
    };
    let idle = |path: &PathBuf| match File::open(path) {
        // It is held while it is removed: a process that waits for it sees that the name is gone.
        Ok(file) => !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && (dry || fs::remove_file(path).is_ok()),
        Err(_) => false,
    };
    entries.flatten().map(|entry| entry.path()).filter(lock).filter(idle).collect()
}
