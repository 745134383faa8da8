//! The content-addressed cache: what was computed once from the same inputs is found, not computed again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::StageKey;
use super::claim::{Claim, Patience};
use super::record::{Effort, Made, STAGE, StageRecord};
use crate::clock::now;
use crate::store::StoreError;
use crate::store::atomic::{publish_folder, sync_folder, write_new};
use crate::store::shared::{create_folders, share, share_all};
use crate::store::temporary::{Temporary, parent};

/// A folder of stages, shared by any number of processes, machines and users. Readers never wait.
///
/// `OP/KE/KEY/` holds a finished stage, `OP/KE/.KEY.lock` says that somebody computes it.
#[derive(Clone)]
pub struct Stages {
    root: PathBuf,
    patience: Arc<Patience>,
}

/// A stage that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Its folder.
    pub folder: PathBuf,
    /// How it came to be there.
    pub how: How,
}

/// How a stage came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It was there.
    Found,
    /// Another process computed it meanwhile.
    Waited,
    /// It was computed here, also where another process published it first.
    Computed,
}

impl Stages {
    /// Uses `root`, creating it if needed.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        create_folders(&root).map_err(|e| StoreError::io("create", &root, e))?;
        Ok(Self { root, patience: Arc::new(patient) })
    }

    /// Asks `patience` now and then while another process computes a stage that is wanted here.
    pub fn with_patience(self, patience: impl Fn(&str, Duration) -> bool + Send + Sync + 'static) -> Self {
        Self { patience: Arc::new(patience), ..self }
    }

    /// The folder of all stages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a finished stage.
    pub fn find(&self, key: &StageKey) -> Option<PathBuf> {
        let path = self.path(key);
        path.join(STAGE).is_file().then_some(path)
    }

    /// The folder of a finished stage named by operation and 64 hexadecimal digits.
    pub fn find_named(&self, op: &str, hex: &str) -> Option<PathBuf> {
        let valid = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let path = self.root.join(op).join(hex.get(..2)?).join(hex);
        (valid && path.join(STAGE).is_file()).then_some(path)
    }

    /// The folder of the stage, computed by `compute` in an empty folder unless it is there already.
    ///
    /// When another process computes the same stage, this one waits for it. A process that dies leaves nothing visible,
    /// and the next one computes.
    pub fn build<E: From<StoreError>>(
        &self,
        key: &StageKey,
        compute: impl FnOnce(&Path) -> Result<Effort, E>,
    ) -> Result<Built, E> {
        if let Some(folder) = self.find(key) {
            touch(&folder);
            return Ok(Built { folder, how: How::Found });
        }
        let path = self.path(key);
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if key.op.is_empty() || key.op.starts_with('.') || !key.op.chars().all(plain) {
            return Err(StoreError::Stage { path, why: format!("`{}` is no operation name", key.op) }.into());
        }
        create_folders(parent(&path)).map_err(|e| StoreError::io("create", parent(&path), e))?;
        let lock = parent(&path).join(format!(".{}.lock", key.hex));
        let _claim = Claim::take(&lock, &*self.patience)?.ok_or(StoreError::GaveUp { path: path.clone() })?;
        if let Some(folder) = self.find(key) {
            return Ok(Built { folder, how: How::Waited });
        }
        let begun = Instant::now();
        let mut temporary = Temporary::folder(&path)?;
        let effort = compute(temporary.path())?;
        share_all(temporary.path()).map_err(|e| StoreError::io("write", &path, e))?;
        let made = Made {
            at: now(),
            seconds: begun.elapsed().as_secs_f64(),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            user: rustix::process::getuid().as_raw(),
            emhost: crate::VERSION.to_owned(),
            effort,
        };
        let record = StageRecord::seal(temporary.path(), key, made)?.to_bytes(temporary.path())?;
        let target = temporary.path().join(STAGE);
        write_new(&target, &record)?;
        share(&target).map_err(|e| StoreError::io("write", &target, e))?;
        sync_folder(temporary.path())?;
        if !publish_folder(&mut temporary, &path)? && self.find(key).is_none() {
            return Err(StoreError::Exists { path }.into());
        }
        sync_folder(parent(&path))?;
        Ok(Built { folder: path, how: How::Computed })
    }

    fn path(&self, key: &StageKey) -> PathBuf {
        self.root.join(&key.op).join(&key.hex[..2]).join(&key.hex)
    }
}

/// Waits for as long as it takes, and says so once a minute.
fn patient(holder: &str, waited: Duration) -> bool {
    if waited.as_secs() % 60 == 1 && waited.subsec_millis() < 500 {
        tracing::warn!("waiting for a stage that {holder} computes");
    }
    true
}

/// Notes that a stage was used, for `gc`; a store that cannot be written to keeps no such notes.
fn touch(folder: &Path) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let _ = utimensat(CWD, folder.join(STAGE), &times, AtFlags::empty());
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").field("root", &self.root).finish_non_exhaustive()
    }
}
