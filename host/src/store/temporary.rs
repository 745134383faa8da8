//! Names for unfinished work: hidden siblings of the final name, swept once their process is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, test_kill_process};

use super::StoreError;
use super::shared::{create_folders, share};

/// A file or folder under a temporary name; removed on drop unless it was published.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    published: bool,
}

impl Temporary {
    /// An empty folder beside `target`, with the modes that the umask gives.
    pub(crate) fn folder(target: &Path) -> Result<Self, StoreError> {
        within(target)?;
        Self::new_folder(target).map_err(|e| StoreError::io("create", target, e))
    }

    /// The same where the folder around it is there.
    pub(super) fn new_folder(target: &Path) -> io::Result<Self> {
        Ok(Self::claim(target, |path| fs::create_dir(path))?.0)
    }

    /// An empty file beside `target`, open for writing, with the modes that the umask gives.
    pub(crate) fn file(target: &Path) -> Result<(Self, File), StoreError> {
        within(target)?;
        Self::new_file(target).map_err(|e| StoreError::io("create", target, e))
    }

    /// The same where the folder around it is there.
    pub(super) fn new_file(target: &Path) -> io::Result<(Self, File)> {
        Self::claim(target, |path| OpenOptions::new().write(true).create_new(true).open(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file or folder its final name in one step.
    ///
    /// A file replaces what was there. A folder never does: `rename` fails on a folder that has entries.
    pub(crate) fn publish(&mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.published = true;
        Ok(())
    }

    fn claim<T>(target: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(Self, T)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let parent = parent(target);
        sweep(parent, false);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name.chars().take(48).collect();
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!(".{name}.tmp-{}-{}-{number}", std::process::id(), machine()));
            match make(&path) {
                Ok(made) => {
                    let temporary = Self { path, published: false };
                    share(&temporary.path)?;
                    return Ok((temporary, made));
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Makes the folder around `target`.
fn within(target: &Path) -> Result<(), StoreError> {
    create_folders(parent(target)).map_err(|e| StoreError::io("create", parent(target), e))
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            remove(&self.path);
        }
    }
}

/// The folder that holds `path`.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Untouched for this long, a temporary is abandoned wherever its process ran. A writer that is alive all the same
/// gets an error when it publishes; it can never publish half of its work.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Removes temporaries in `folder` whose process is known to be dead, unless `dry`, and names them. Failures leave them
/// where they are.
pub(crate) fn sweep(folder: &Path, dry: bool) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let dead = |path: &PathBuf| {
        let Some((pid, host)) = path.file_name().and_then(|name| name.to_str()).and_then(owner) else { return false };
        (host == machine() && pid != std::process::id() && !alive(pid)) || untouched(path) > ABANDONED
    };
    let found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(dead).collect();
    if !dry {
        found.iter().for_each(|path| remove(path));
    }
    found
}

/// Sweeps a folder and all that lie in it; unfinished ones are not entered.
pub fn sweep_all(folder: &Path, dry: bool) -> Vec<PathBuf> {
    let mut found = sweep(folder, dry);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(sweep_all(&entry.path(), dry));
        }
    }
    found
}

/// Process and machine in the name of a temporary.
fn owner(name: &str) -> Option<(u32, &str)> {
    let (_, tail) = name.strip_prefix('.')?.rsplit_once(".tmp-")?;
    let mut fields = tail.split('-');
    let (pid, host, number) = (fields.next()?, fields.next()?, fields.next()?);
    number.parse::<u64>().ok()?;
    if fields.next().is_some() {
        return None;
    }
    Some((pid.parse().ok()?, host))
}

fn alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return true };
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Identifies the space in which a process id means something: this boot of this machine and the pid namespace.
fn machine() -> &'static str {
    static TAG: OnceLock<String> = OnceLock::new();
    TAG.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        for file in ["/proc/sys/kernel/random/boot_id", "/etc/machine-id", "/etc/hostname"] {
            hasher.update(&fs::read(file).unwrap_or_default());
        }
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        hasher.update(namespace.as_os_str().as_encoded_bytes());
        hasher.finalize().to_hex()[..12].to_owned()
    })
}

/// Time since the newest change of a file, or of a folder and its entries.
fn untouched(path: &Path) -> Duration {
    let modified = |p: &Path| fs::symlink_metadata(p).and_then(|m| m.modified()).ok();
    let entries = fs::read_dir(path).into_iter().flatten().flatten().filter_map(|e| modified(&e.path()));
    let newest = entries.chain(modified(path)).max();
    newest.and_then(|time| SystemTime::now().duration_since(time).ok()).unwrap_or_default()
}

fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|m| m.is_dir()) {
        let _ = fs::remove_dir_all(path);
    } else {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporaries_of_dead_processes_are_swept_and_others_are_kept() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let mut child = std::process::Command::new("true").spawn().expect("`true` runs");
        let pid = child.id();
        child.wait().expect("`true` ends");
        let name = |pid: u32, host: &str| root.path().join(format!(".set.tmp-{pid}-{host}-0"));
        let dead = name(pid, machine());
        let elsewhere = name(pid, "000000000000");
        let alive = name(std::process::id(), machine());
        for path in [&dead, &elsewhere, &alive] {
            fs::create_dir(path).expect("a fresh name");
        }
        assert_eq!(sweep(root.path(), false), std::slice::from_ref(&dead));
        assert!(!dead.exists());
        assert!(elsewhere.exists() && alive.exists());
    }

    #[test]
    fn only_our_own_pattern_counts_as_a_temporary() {
        assert_eq!(owner(".a.tmp-12-ab-0"), Some((12, "ab")));
        for name in ["a.tmp-12-ab-0", ".a.tmp-x-ab-0", ".a.tmp-12-ab", ".a.tmp-12-ab-0-1", ".tmp"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
