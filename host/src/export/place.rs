//! Folders that appear whole or not at all, and replace only what an export made.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use super::error::{ExportError, Result};
use super::run::RunExport;
use crate::store::{self, Temporary, parent, write_atomic};

/// Marks a folder as made by an export, which may be replaced by the next.
const MARK: &str = ".emhost-export";

/// What an export made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// The folder.
    pub path: PathBuf,
    /// Its files, by their paths in it.
    pub files: Vec<PathBuf>,
    /// Rows of tables that were read for it.
    pub rows: u64,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// A folder that is being filled.
pub struct Place {
    root: PathBuf,
    exported: Exported,
}

/// A file of it. It is on the disk once `finish` is back.
pub struct Out {
    path: PathBuf,
    file: BufWriter<File>,
}

/// Makes the folder `target`: `fill` gets an empty one, which takes its name once it is full. `kind` says what it is.
pub fn folder(
    target: &Path,
    replace: bool,
    kind: &str,
    run: &RunExport,
    fill: impl FnOnce(&mut Place) -> Result<()>,
) -> Result<Exported> {
    let taken = fs::symlink_metadata(target).is_ok();
    if taken && !replace {
        return Err(ExportError::Exists { path: target.to_owned() });
    }
    if taken && !target.join(MARK).is_file() {
        let problem = "it is there and no export made it, so it is not replaced; choose another name";
        return Err(ExportError::input(target.display().to_string(), problem));
    }
    let mut temporary = Temporary::folder(target)?;
    let exported = Exported { path: target.to_owned(), ..Exported::default() };
    let mut place = Place { root: temporary.path().to_owned(), exported };
    fill(&mut place)?;
    let mark = json!({ "kind": kind, "run": run.id, "emhost": run.emhost });
    let mut out = place.file(MARK)?;
    out.write(mark.to_string().as_bytes())?;
    out.finish()?;
    place.exported.files.retain(|file| file != Path::new(MARK));
    sync_tree(&place.root)?;
    let publish = if taken {
        // One step where the system has it: the old folder is then under the temporary name, and goes with it.
        match renameat_with(CWD, temporary.path(), CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(_) => {
                let old = Temporary::folder(target)?;
                fs::rename(target, old.path()).and_then(|()| temporary.publish(target))
            }
        }
    } else {
        // A folder is never renamed onto one that has entries.
        temporary.publish(target)
    };
    publish.map_err(|e| match e.kind() {
        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            ExportError::Exists { path: target.to_owned() }
        }
        _ => ExportError::io("write", target)(e),
    })?;
    sync_folder(parent(target))?;
    Ok(place.exported)
}

impl Place {
    /// A new file at a path in the folder.
    pub fn file(&mut self, name: impl AsRef<Path>) -> Result<Out> {
        let path = self.root.join(&name);
        fs::create_dir_all(parent(&path)).map_err(ExportError::io("create", parent(&path)))?;
        let file = File::create_new(&path).map_err(ExportError::io("create", &path))?;
        self.exported.files.push(name.as_ref().to_owned());
        Ok(Out { path, file: BufWriter::with_capacity(1 << 16, file) })
    }

    /// Says that something was left out.
    pub fn note(&mut self, note: impl Into<String>) {
        self.exported.notes.push(note.into());
    }

    /// Counts rows that were read.
    pub fn count(&mut self, rows: u64) {
        self.exported.rows += rows;
    }
}

impl Out {
    /// Adds bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(ExportError::io("write", &self.path))
    }

    /// Makes the file durable.
    pub fn finish(mut self) -> Result<()> {
        let done = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        done.map_err(ExportError::io("write", &self.path))
    }
}

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a small file in one step.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_atomic(path, bytes)?)
}

/// Makes the names in a folder durable.
pub fn sync_folder(path: &Path) -> Result<()> {
    Ok(store::sync_folder(path)?)
}

fn sync_tree(path: &Path) -> Result<()> {
    for entry in fs::read_dir(path).map_err(ExportError::io("read", path))?.flatten() {
        if entry.path().is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_folder(path)
}
