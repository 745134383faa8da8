//! Entries on the disk, in order, each removed once the server has it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::export::error::{ExportError, Result};
use crate::export::place::{sync_folder, write_file};

/// What the entries were made of.
const ABOUT: &str = "about.json";
/// The run on the server.
const REMOTE: &str = "remote.json";

/// A folder `NUMBER.json` for what was never sent, `NUMBER.doubt.json` for what may have arrived.
///
/// It is locked as long as this value lives; a process that ends in any way lets go of it.
#[derive(Debug)]
pub struct Spool {
    root: PathBuf,
    _lock: File,
}

/// An entry that waits.
#[derive(Debug)]
pub struct Waiting {
    /// What it is.
    pub entry: Entry,
    /// Whether it may have arrived.
    pub doubt: bool,
    number: u64,
}

/// Where the entries go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// The server.
    pub url: String,
    /// The experiment there.
    pub experiment: String,
    /// The run there.
    pub run: String,
    /// Where the run's files go.
    pub artifacts: String,
    /// Whether the run may hold points of an earlier export.
    pub old: bool,
}

/// What a spool was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The run's id.
    pub run: String,
    /// Digest of what was exported.
    pub digest: String,
}

/// Name of an entry's file.
pub fn name(number: u64, doubt: bool) -> String {
    format!("{number:08}{}.json", if doubt { ".doubt" } else { "" })
}

/// Writes what a spool was made of.
pub fn about_bytes(about: &About) -> Result<(&'static str, Vec<u8>)> {
    Ok((ABOUT, json(about)?))
}

impl Spool {
    /// Locks the folder.
    pub fn open(root: &Path) -> Result<Self> {
        let lock = File::open(root).map_err(ExportError::io("open", root))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ExportError::Busy { path: root.to_owned() }),
            Err(TryLockError::Error(e)) => Err(ExportError::io("lock", root)(e)),
        }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The numbers of the entries that wait, in order.
    pub fn waiting(&self) -> Result<Vec<u64>> {
        let failed = || ExportError::io("read", &self.root);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
            numbers.extend(stem.strip_suffix(".doubt").unwrap_or(stem).parse::<u64>().ok());
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// An entry.
    pub fn read(&self, number: u64) -> Result<Waiting> {
        let doubt = self.root.join(name(number, true)).exists();
        Ok(Waiting { entry: read(&self.root.join(name(number, doubt)))?, doubt, number })
    }

    /// Notes that an entry may arrive from now on.
    pub fn doubt(&self, waiting: &mut Waiting) -> Result<()> {
        if !waiting.doubt {
            let path = self.root.join(name(waiting.number, false));
            fs::rename(&path, self.root.join(name(waiting.number, true))).map_err(ExportError::io("rename", &path))?;
            sync_folder(&self.root)?;
            waiting.doubt = true;
        }
        Ok(())
    }

    /// Removes an entry that has arrived.
    pub fn remove(&self, waiting: &Waiting) -> Result<()> {
        if let Entry::Artifact(artifact) = &waiting.entry {
            // It may be gone already if a removal was cut short.
            let _ = fs::remove_file(self.root.join(&artifact.file));
        }
        let path = self.root.join(name(waiting.number, waiting.doubt));
        fs::remove_file(&path).map_err(ExportError::io("remove", &path))
    }

    /// What it was made of.
    pub fn about(&self) -> Result<About> {
        read(&self.root.join(ABOUT))
    }

    /// The run on the server, once it is known.
    pub fn remote(&self) -> Result<Option<Remote>> {
        let path = self.root.join(REMOTE);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Keeps which run it is.
    pub fn set_remote(&self, remote: &Remote) -> Result<()> {
        write_file(&self.root.join(REMOTE), &json(remote)?)
    }

    /// Removes the folder, when nothing waits in it.
    pub fn close(self) -> Result<()> {
        // A removal that is cut short must not leave half a spool under this name.
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.root.with_file_name(format!(".{name}.sent-{}", std::process::id()));
        fs::rename(&self.root, &aside).map_err(ExportError::io("remove", &self.root))?;
        fs::remove_dir_all(&aside).map_err(ExportError::io("remove", &aside))
    }
}

/// A value as the bytes of a file.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| ExportError::input("an entry of the spool", e.to_string()))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(ExportError::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| ExportError::Spool { path: path.to_owned(), problem: format!("it is not what was written: {e}") })
}
