//! The content-addressed cache: what was computed once from the same inputs is found, not computed again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;
use super::atomic::{publish_folder, sync_folder, write_new};
use super::manifest::sorted;
use super::temporary::{Temporary, parent};
use super::verify::hash;

/// The address of a stage: a digest of an operation and its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct StageKey {
    op: String,
    inputs: Value,
    hex: String,
}

impl StageKey {
    /// BLAKE3 of the operation's name and the inputs as JSON with sorted keys and no spaces.
    pub fn of(op: &str, inputs: &Value) -> Self {
        let inputs = sorted(inputs);
        let text = format!("{}\n{inputs}", op);
        Self { op: op.to_owned(), inputs, hex: blake3::hash(text.as_bytes()).to_hex().to_string() }
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.hex
    }
}

/// A folder of stages, shared by any number of processes without locks.
#[derive(Debug, Clone)]
pub struct Stages {
    root: PathBuf,
}

impl Stages {
    /// Uses `root`, creating it if needed.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|e| StoreError::io("create", &root, e))?;
        Ok(Self { root })
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
    /// When two processes compute the same stage, the first to finish publishes and the other uses that result.
    /// A process that dies leaves nothing visible.
    pub fn build<E: From<StoreError>>(
        &self,
        key: &StageKey,
        compute: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PathBuf, E> {
        if let Some(found) = self.find(key) {
            return Ok(found);
        }
        let path = self.path(key);
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if key.op.is_empty() || key.op.starts_with('.') || !key.op.chars().all(plain) {
            return Err(StoreError::Stage { path, why: format!("`{}` is no operation name", key.op) }.into());
        }
        let mut temporary = Temporary::folder(&path)?;
        compute(temporary.path())?;
        let record = seal(temporary.path(), key)?;
        write_new(&temporary.path().join(STAGE), &record)?;
        sync_folder(temporary.path())?;
        if !publish_folder(&mut temporary, &path)? && self.find(key).is_none() {
            return Err(StoreError::Exists { path }.into());
        }
        sync_folder(parent(&path))?;
        Ok(path)
    }

    fn path(&self, key: &StageKey) -> PathBuf {
        self.root.join(&key.op).join(&key.hex[..2]).join(&key.hex)
    }
}

/// The record in each stage.
const STAGE: &str = "stage.json";

/// What a stage was computed from and what it holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageRecord {
    op: String,
    inputs: Value,
    files: Vec<StageFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFile {
    name: String,
    bytes: u64,
    blake3: String,
}

/// Hashes and syncs all files below `folder`.
fn seal(folder: &Path, key: &StageKey) -> Result<Vec<u8>, StoreError> {
    let mut files = Vec::new();
    walk(folder, folder, &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let record = StageRecord { op: key.op.clone(), inputs: key.inputs.clone(), files };
    let text = serde_json::to_string_pretty(&record);
    let text = text.map_err(|e| StoreError::Encode { path: folder.join(STAGE), why: e.to_string() })?;
    Ok((text + "\n").into_bytes())
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<StageFile>) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(|e| StoreError::io("read", folder, e))? {
        let entry = entry.map_err(|e| StoreError::io("read", folder, e))?;
        let path = entry.path();
        let fail = |e| StoreError::io("read", &path, e);
        let metadata = fs::symlink_metadata(&path).map_err(fail)?;
        let name = path.strip_prefix(root).ok().and_then(Path::to_str).map(str::to_owned);
        match name {
            Some(_) if metadata.is_dir() => walk(root, &path, files)?,
            Some(name) if metadata.is_file() => {
                let blake3 = hash(&path, 0, metadata.len()).map_err(fail)?;
                fs::File::open(&path).and_then(|f| f.sync_all()).map_err(fail)?;
                files.push(StageFile { name, bytes: metadata.len(), blake3 });
            }
            _ => return Err(StoreError::Stage { path, why: "only plain files with UTF-8 names are kept".to_owned() }),
        }
    }
    if folder == root { Ok(()) } else { sync_folder(folder) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn key() -> StageKey {
        StageKey::of("model.info", &json!({"b": 1, "a": {"d": [1, 2], "c": null}}))
    }

    #[test]
    fn keys_depend_on_content_and_not_on_the_order_of_keys() {
        assert_eq!(key(), StageKey::of("model.info", &json!({"a": {"c": null, "d": [1, 2]}, "b": 1})));
        assert_ne!(key().as_str(), StageKey::of("forward", &json!({"a": {"c": null, "d": [1, 2]}, "b": 1})).as_str());
        assert_ne!(
            key().as_str(),
            StageKey::of("model.info", &json!({"a": {"c": null, "d": [2, 1]}, "b": 1})).as_str()
        );
    }

    #[test]
    fn writers_that_race_for_one_stage_agree_on_one_result() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let stages = Stages::open(root.path()).expect("the folder is writable");
        let (barrier, computed) = (Barrier::new(4), AtomicUsize::new(0));
        let paths: Vec<PathBuf> = std::thread::scope(|scope| {
            let run = |number: usize| {
                let (stages, barrier, computed) = (&stages, &barrier, &computed);
                move || {
                    stages.build(&key(), |folder| {
                        barrier.wait();
                        computed.fetch_add(1, Ordering::Relaxed);
                        fs::create_dir(folder.join("deep")).expect("an empty folder");
                        fs::write(folder.join("deep/value"), number.to_string()).expect("an empty folder");
                        Ok::<(), StoreError>(())
                    })
                }
            };
            let threads: Vec<_> = (0..4).map(|number| scope.spawn(run(number))).collect();
            threads.into_iter().map(|t| t.join().expect("no panic").expect("one result")).collect()
        });
        assert_eq!(computed.into_inner(), 4);
        assert!(paths.iter().all(|p| Some(p) == stages.find(&key()).as_ref()));
        let names = |p: &Path| fs::read_dir(p).expect("a folder").count();
        assert_eq!((names(parent(&paths[0])), names(&paths[0])), (1, 2));
        let record: StageRecord =
            serde_json::from_slice(&fs::read(paths[0].join(STAGE)).expect("a record")).expect("JSON");
        assert_eq!(
            (record.op.as_str(), record.files[0].name.as_str(), record.files[0].bytes),
            ("model.info", "deep/value", 1)
        );
    }

    #[test]
    fn a_stage_that_fails_or_dies_is_not_seen_and_can_be_built_again() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let stages = Stages::open(root.path()).expect("the folder is writable");
        let fail = |path: &Path| Err(StoreError::Stage { path: path.to_owned(), why: "no".to_owned() });
        assert!(stages.build(&key(), fail).is_err());
        let dead = Temporary::folder(&stages.path(&key())).expect("the folder is writable");
        write_new(&dead.path().join(STAGE), b"{}").expect("an empty folder");
        std::mem::forget(dead); // As after SIGKILL: nothing is cleaned up.
        assert_eq!(stages.find(&key()), None);
        let path = stages.build(&key(), |_| Ok::<(), StoreError>(())).expect("the folder is writable");
        assert_eq!(stages.find(&key()), Some(path));
    }

    #[test]
    fn operation_names_cannot_leave_the_root() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let stages = Stages::open(root.path()).expect("the folder is writable");
        for op in ["", "..", "a/b", ".hidden"] {
            let built = stages.build(&StageKey::of(op, &json!(0)), |_| Ok::<(), StoreError>(()));
            assert!(matches!(built, Err(StoreError::Stage { .. })), "{op}");
        }
    }
}
