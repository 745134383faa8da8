//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::shared::{create_folders, share_all};
use super::temporary::{Temporary, parent};

/// Writes `bytes` to `path` in one step: a reader sees the old file or the new one, also after a crash.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = written(path, bytes)?;
    publish_file(&mut temporary, path)
}

/// Like [`write_atomic`], with `write` making the file of the name that it is given.
pub fn write_through(path: &Path, write: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), StoreError> {
    let (mut temporary, file) = Temporary::file(path)?;
    write(temporary.path()).and_then(|()| file.sync_all()).map_err(|e| StoreError::io("write", path, e))?;
    publish_file(&mut temporary, path)
}

/// Makes a folder with these files in one step; one that is there already stays.
pub fn publish_new_folder(path: &Path, files: &[(PathBuf, Vec<u8>)]) -> Result<(), StoreError> {
    build_new_folder(path, |folder| {
        for (name, bytes) in files {
            let file = folder.join(name);
            create_folders(parent(&file)).map_err(|e| StoreError::io("create", parent(&file), e))?;
            let named = |error| match error {
                StoreError::Io { action, source, .. } => StoreError::Io { action, path: path.join(name), source },
                other => other,
            };
            write_new(&file, bytes).map_err(named)?;
            sync_folder(parent(&file))?;
        }
        Ok(())
    })
}

/// Makes a folder in one step: `fill` is given an empty one, which gets its name once it is full. One that is there
/// already stays.
pub fn build_new_folder<E: From<StoreError>>(path: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let mut temporary = Temporary::folder(path)?;
    fill(temporary.path())?;
    share_all(temporary.path()).map_err(|e| StoreError::io("write", path, e))?;
    sync_folder(temporary.path())?;
    publish_folder(&mut temporary, path)?;
    Ok(sync_folder(parent(path))?)
}

/// Removes a folder so that a reader sees all of it or nothing.
pub fn remove_folder(path: &Path) -> Result<(), StoreError> {
    // The temporary, an empty folder, is replaced by the one that goes, and removed with it.
    let aside = Temporary::folder(path)?;
    fs::rename(path, aside.path()).map_err(|e| StoreError::io("remove", path, e))
}

/// Like [`write_atomic`], but an error where the name is taken, also by another process meanwhile.
pub fn write_new_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = written(path, bytes)?;
    // A second name, unlike a new one, never replaces; the temporary name goes with its owner.
    match std::fs::hard_link(temporary.path(), path) {
        Ok(()) => sync_folder(parent(path)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(StoreError::Exists { path: path.to_owned() }),
        Err(e) => Err(StoreError::io("write", path, e)),
    }
}

/// The bytes in a synced temporary file beside `path`.
fn written(path: &Path, bytes: &[u8]) -> Result<Temporary, StoreError> {
    let (temporary, mut file) = Temporary::file(path)?;
    file.write_all(bytes).map_err(|e| StoreError::io("write", path, e))?;
    file.sync_all().map_err(|e| StoreError::io("write", path, e))?;
    Ok(temporary)
}

/// Renames a finished and synced temporary file, then makes the name durable.
pub(crate) fn publish_file(temporary: &mut Temporary, path: &Path) -> Result<(), StoreError> {
    temporary.publish(path).map_err(|e| StoreError::io("write", path, e))?;
    sync_folder(parent(path))
}

/// Renames a finished and synced temporary folder; `false` if the name is taken.
pub(crate) fn publish_folder(temporary: &mut Temporary, path: &Path) -> Result<bool, StoreError> {
    match temporary.publish(path) {
        Ok(()) => Ok(true),
        Err(e) => match e.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Ok(false),
            _ => Err(StoreError::io("write", path, e)),
        },
    }
}

/// Creates `path` exclusively and makes its bytes durable; the folder is synced by the caller.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => StoreError::io("write", path, e),
    })
}

/// Makes the names in a folder durable. File systems that cannot sync a folder say so; that is no failure.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let result = File::open(path).and_then(|folder| folder.sync_all());
    match result {
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(|e| StoreError::io("write", path, e)),
    }
}

/// The bytes of a small file.
pub(crate) fn read_small(path: &Path) -> Result<Vec<u8>, StoreError> {
    /// Cards and manifests are far below; a larger file is not one of ours.
    const LIMIT: u64 = 1 << 30;
    let length = fs::metadata(path).map_err(|e| StoreError::io("read", path, e))?.len();
    if length > LIMIT {
        return Err(StoreError::corrupt(path, format!("{length} bytes are more than the {LIMIT} that are expected")));
    }
    fs::read(path).map_err(|e| StoreError::io("read", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_never_replaces_and_no_temporary_stays() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("lines.jsonl");
        write_new_atomic(&path, b"one").expect("the folder is writable");
        assert!(matches!(write_new_atomic(&path, b"two"), Err(StoreError::Exists { .. })));
        assert_eq!(fs::read(&path).expect("the file exists"), b"one");
        assert_eq!(fs::read_dir(root.path()).expect("the folder exists").count(), 1);
    }

    #[test]
    fn a_file_is_replaced_with_the_modes_of_the_umask_and_no_temporary_stays() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("deep/run.json");
        write_atomic(&path, b"one").expect("the folder is writable");
        write_atomic(&path, b"two").expect("the folder is writable");
        assert_eq!(fs::read(&path).expect("the file exists"), b"two");
        let plain = root.path().join("plain");
        fs::write(&plain, b"").expect("the folder is writable");
        let mode = |p: &Path| fs::metadata(p).expect("the file exists").permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(fs::read_dir(root.path().join("deep")).expect("the folder exists").count(), 1);
    }
}
