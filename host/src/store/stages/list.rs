//! What is in the cache, and why one stage is not another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::record::{STAGE, StageRecord};
use super::{StageKey, Stages};
use crate::store::verify::hash;
use crate::store::{Damage, Place, StoreError};

/// A finished stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// 64 hexadecimal digits.
    pub key: String,
    /// Its folder.
    pub folder: PathBuf,
    /// When it was last used.
    pub used: SystemTime,
    /// What it was computed from and holds.
    pub record: StageRecord,
}

/// One input that two stages do not share.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Path of the input, such as `recipe.learning_rate`.
    pub path: String,
    /// Its value in the first; none if it is absent.
    pub first: Option<Value>,
    /// Its value in the second.
    pub second: Option<Value>,
}

impl Stages {
    /// All finished stages, by operation and key, and the folders whose record cannot be read.
    pub fn all(&self) -> Result<(Vec<Stage>, Vec<StoreError>), StoreError> {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        for shelf in self.shelves()? {
            for folder in folders(&shelf)? {
                match Stage::read(&folder) {
                    Ok(stage) => found.push(stage),
                    // Removed since the folder was listed.
                    Err(_) if !folder.exists() => {}
                    Err(error) => broken.push(error),
                }
            }
        }
        Ok((found, broken))
    }

    /// The stage that `name` means: `OP/KEY`, or a beginning of a key that no other stage has.
    pub fn named(&self, name: &str) -> Result<Stage, StoreError> {
        let (op, start) =
            name.trim_start_matches("stage:").split_once('/').map_or((None, name), |(op, key)| (Some(op), key));
        let refuse = |why: String| Err(StoreError::Stage { path: self.root().join(name), why });
        if start.len() < 4 || !start.bytes().all(|b| b.is_ascii_hexdigit()) {
            return refuse(
                "a stage is named by at least four hexadecimal digits of its key; see `emhost store ls`".into(),
            );
        }
        let mut found = Vec::new();
        for shelf in self.shelves()? {
            let right = op.is_none_or(|op| shelf.parent().is_some_and(|parent| parent.ends_with(op)));
            for folder in folders(&shelf)? {
                if right && folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)) {
                    found.push(folder);
                }
            }
        }
        match found.as_slice() {
            [folder] => Stage::read(folder),
            [] => refuse("no stage has this key; see `emhost store ls`".into()),
            several => refuse(format!("{} stages begin like this; give more digits", several.len())),
        }
    }

    /// The folders that hold stages: `OP/KE`.
    pub(super) fn shelves(&self) -> Result<Vec<PathBuf>, StoreError> {
        let mut shelves = Vec::new();
        for op in folders(self.root())? {
            shelves.extend(folders(&op)?);
        }
        Ok(shelves)
    }
}

impl Stage {
    fn read(folder: &Path) -> Result<Self, StoreError> {
        let record = StageRecord::read(folder)?;
        let used = fs::metadata(folder.join(STAGE)).and_then(|m| m.modified());
        let used = used.map_err(|e| StoreError::io("read", folder, e))?;
        let key = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { key, folder: folder.to_owned(), used, record })
    }

    /// Compares every byte with the record, and the record with its address.
    pub fn verify(&self) -> Vec<Damage> {
        let mut damage = Vec::new();
        let mut found = |file: &str, problem: String| {
            damage.push(Damage { file: file.to_owned(), place: Place::File, problem });
        };
        if StageKey::of(&self.record.op, &self.record.inputs).as_str() != self.key {
            found(STAGE, "operation and inputs do not have this key".to_owned());
        }
        for file in &self.record.files {
            let path = self.folder.join(&file.name);
            match fs::symlink_metadata(&path) {
                Err(e) => found(&file.name, format!("cannot be read: {e}")),
                Ok(metadata) if metadata.len() != file.bytes => {
                    found(&file.name, format!("has {} bytes, {} were written", metadata.len(), file.bytes));
                }
                Ok(metadata) => match hash(&path, 0, metadata.len()) {
                    Ok(digest) if digest == file.blake3 => {}
                    Ok(_) => found(&file.name, "its bytes are not what was written".to_owned()),
                    Err(e) => found(&file.name, format!("cannot be read: {e}")),
                },
            }
        }
        let known: BTreeSet<&str> = self.record.files.iter().map(|file| file.name.as_str()).chain([STAGE]).collect();
        let mut names = Vec::new();
        if let Err(e) = names_below(&self.folder, &self.folder, &mut names) {
            found(".", format!("cannot be listed: {e}"));
        }
        for name in names.iter().filter(|name| !known.contains(name.as_str())) {
            found(name, "is not of this stage".to_owned());
        }
        damage
    }

    /// The stage of the same operation that shares the most inputs with this one.
    pub fn nearest<'a>(&self, all: &'a [Stage]) -> Option<&'a Stage> {
        let others = all.iter().filter(|other| other.record.op == self.record.op && other.key != self.key);
        others.min_by_key(|other| differences(&self.record.inputs, &other.record.inputs).len())
    }
}

/// All inputs that differ, by path.
pub fn differences(first: &Value, second: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", Some(first), Some(second), &mut found);
    found
}

fn compare(path: &str, first: Option<&Value>, second: Option<&Value>, found: &mut Vec<Difference>) {
    if first == second {
        return;
    }
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (first, second) {
        (Some(Value::Object(first)), Some(Value::Object(second))) => {
            let keys: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
            keys.into_iter().for_each(|key| compare(&below(key), first.get(key), second.get(key), found));
        }
        (Some(Value::Array(first)), Some(Value::Array(second))) => {
            let most = first.len().max(second.len());
            (0..most).for_each(|at| compare(&below(&at.to_string()), first.get(at), second.get(at), found));
        }
        _ => found.push(Difference { path: path.to_owned(), first: first.cloned(), second: second.cloned() }),
    }
}

/// The folders in a folder, sorted; hidden ones are unfinished work.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| StoreError::io("list", folder, e))?,
    };
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir() && !hidden(path)).collect();
    found.sort();
    Ok(found)
}

fn names_below(root: &Path, folder: &Path, names: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            names_below(root, &path, names)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
