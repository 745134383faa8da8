//! Folders that commands read and write.

use std::fs::{self, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Finding;
use crate::model::hub;
use crate::units;

/// Less free space than this is worth a word: a capture of a large model fills it in minutes.
const LITTLE_SPACE: u64 = 5_000_000_000;
const SETGID_AND_GROUP_WRITE: u32 = 0o2020;

/// Whether a folder, or the one in which it will be made, can be written and locked, and how much space it has.
pub(super) fn writable(setting: &'static str, folder: &Path) -> Finding {
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let choose = format!("choose another with `--config {setting}=FOLDER` or in ~/.config/emhost/config.toml");
    let Some(there) = shown.ancestors().find(|path| path.exists()) else {
        return Finding::bad(setting, 5, format!("{}: no folder on the way to it exists", shown.display()), choose);
    };
    if let Err(problem) = try_out(there) {
        return Finding::bad(setting, 5, format!("{}: {problem}", there.display()), choose);
    }
    let mut found = shown.display().to_string();
    if there != shown {
        found.push_str(" (made when first used)");
    }
    if there == shown && is_shared(there) {
        found.push_str(", shared with its group");
    }
    match free_space(there) {
        Some(free) if free < LITTLE_SPACE => {
            let advice = format!("that is little: `emhost store gc --unused-for 30d` frees some, or {choose}");
            Finding::notice(setting, format!("{found}, {} free", units::bytes(free)), advice)
        }
        Some(free) => Finding::good(setting, format!("{found}, {} free", units::bytes(free))),
        None => Finding::good(setting, found),
    }
}

fn try_out(folder: &Path) -> Result<(), String> {
    let file = tempfile::Builder::new().prefix(".emhost-doctor-").tempfile_in(folder);
    let file = file.map_err(|e| format!("nothing can be written in it: {e}"))?;
    match file.as_file().try_lock() {
        Err(TryLockError::Error(e)) => Err(format!("files in it cannot be locked, as two users of it need: {e}")),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
    }
}

fn is_shared(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & SETGID_AND_GROUP_WRITE == SETGID_AND_GROUP_WRITE)
}

fn free_space(folder: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(folder).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// The models that lie in the Hugging Face cache.
pub(super) fn models() -> Finding {
    let Some(cache) = hub::cache() else {
        return Finding::notice(
            "models",
            "no Hugging Face cache: HOME is not set",
            "set HF_HOME to use downloaded models",
        );
    };
    let entries = fs::read_dir(&cache).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries.filter_map(|path| model_name(&path)).collect();
    names.sort();
    match names.as_slice() {
        [] => Finding::notice(
            "models",
            format!("none in {}", cache.display()),
            "`hf download ORG/NAME` puts one there; `embedded` and folders need no cache",
        ),
        names => Finding::good("models", format!("{} in {}: {}", names.len(), cache.display(), names.join(", "))),
    }
}

fn model_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_prefix("models--")?.replace("--", "/"))
}
