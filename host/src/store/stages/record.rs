//! `stage.json`: what a stage was computed from, by whom, and what it holds.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StageKey;
use crate::store::StoreError;
use crate::store::atomic::{read_small, sync_folder};
use crate::store::verify::hash;

/// The record's file in each stage.
pub const STAGE: &str = "stage.json";

/// The record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// The operation.
    pub op: String,
    /// Everything that decides the result.
    pub inputs: Value,
    /// Circumstances, of which the result does not depend.
    #[serde(default)]
    pub made: Made,
    /// All files.
    pub files: Vec<StageFile>,
}

/// When, where and how quickly a stage was computed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// When it was finished, UTC.
    pub at: String,
    /// How long it took.
    pub seconds: f64,
    /// The machine's name.
    pub machine: String,
    /// Number of the user.
    pub user: u32,
    /// Version of emhost.
    pub emhost: String,
    /// Tokens that were computed and parameters of the model, from which costs are told; 0 where nobody counted.
    #[serde(default)]
    pub effort: Effort,
}

/// How much was computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effort {
    /// Tokens of all passes.
    pub tokens: u64,
    /// Parameters of the model.
    pub parameters: u64,
}

/// One file of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageFile {
    /// Path below the stage's folder.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// BLAKE3 in hexadecimal.
    pub blake3: String,
}

impl StageRecord {
    /// Describes what lies in `folder`, all of which is made durable.
    pub(super) fn seal(folder: &Path, key: &StageKey, made: Made) -> Result<Self, StoreError> {
        let mut files = Vec::new();
        walk(folder, folder, &mut files)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { op: key.op.clone(), inputs: key.inputs.clone(), made, files })
    }

    /// The text of `stage.json`.
    pub(super) fn to_bytes(&self, folder: &Path) -> Result<Vec<u8>, StoreError> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|e| StoreError::Encode { path: folder.join(STAGE), why: e.to_string() })?;
        Ok((text + "\n").into_bytes())
    }

    /// Reads the record of a stage's folder.
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(STAGE);
        serde_json::from_slice(&read_small(&path)?).map_err(|e| StoreError::corrupt(&path, e.to_string()))
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
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
