//! Who computes a stage: one process at a time, without anyone else ever having to ask.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::clock::now;
use crate::store::StoreError;
use crate::store::shared::create_file;

/// The right to compute one stage; the system takes it back when the process ends, however it ends.
///
/// It is a lock on the hidden file `.KEY.lock`. Nothing is decided by it: the rename that publishes a stage is. Where a file
/// system has no locks, two processes may compute the same and one of the results is used.
#[derive(Debug)]
pub struct Claim {
    file: File,
    path: PathBuf,
}

/// Asked again and again while another process holds the claim: who holds it, and for how long one has waited already.
/// False gives up.
pub type Patience = dyn Fn(&str, Duration) -> bool + Send + Sync;

impl Claim {
    /// Waits for the claim; none if `patience` ended first.
    pub fn take(path: &Path, patience: &Patience) -> Result<Option<Self>, StoreError> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            let fail = |e| StoreError::io("lock", path, e);
            create_file(path).map_err(fail)?;
            let file = match OpenOptions::new().read(true).write(true).open(path) {
                // Its owner has just removed it.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                file => file.map_err(fail)?,
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => {
                    let mut claim = Self { file, path: path.to_owned() };
                    claim.sign().map_err(fail)?;
                    return Ok(Some(claim));
                }
                // Its last owner has removed it meanwhile.
                Ok(()) => continue,
                Err(TryLockError::Error(_)) => return Ok(Some(Self { file, path: path.to_owned() })),
                Err(TryLockError::WouldBlock) => {}
            }
            if !patience(&holder(file), begun.elapsed()) {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Writes down who holds it, for those who wait.
    fn sign(&mut self) -> std::io::Result<()> {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let text = json!({ "process": std::process::id(), "machine": machine, "since": now() });
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.to_string().as_bytes())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is locked nobody else can hold the file of this name, so nobody else's is removed.
        if is_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether the name still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        (_, Err(e)) if e.kind() == ErrorKind::NotFound => false,
        _ => false,
    }
}

/// `process 12 on machine node7`, as the holder has written it.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok();
    let signed = read.and_then(|_| serde_json::from_str::<serde_json::Value>(&text).ok());
    match signed.as_ref().map(|signed| (&signed["process"], signed["machine"].as_str().unwrap_or("unknown"))) {
        Some((process, machine)) => format!("process {process} on machine {machine}"),
        None => "another process".to_owned(),
    }
}
