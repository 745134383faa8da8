//! The files of a checkpoint: in a folder, or carried by the host.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{ModelError, Result};
use super::hub::{self, Snapshot};
use super::weights::{Source, Unique};
use crate::embedded::{self, Carried};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Where the files of one checkpoint are.
#[derive(Debug, Clone)]
pub enum Files {
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
    /// A commit in the local hub cache.
    Cached(Snapshot),
    /// An organism that the host carries.
    Embedded(&'static Carried),
}

impl Files {
    /// `embedded`, `embedded:NAME`, a folder, or `ORG/NAME[@REVISION]` of the local hub cache; a folder of that name wins.
    pub fn find(model: &str) -> Result<Self> {
        if let Some(carried) = embedded::organism(model) {
            return Ok(Self::Embedded(carried));
        }
        let folder = PathBuf::from(model);
        if folder.is_dir() {
            return Ok(Self::Folder(folder));
        }
        match hub::cache().filter(|_| hub::is_name(model) && !folder.exists()) {
            Some(cache) => Snapshot::find(model, &cache).map(Self::Cached),
            None => Err(ModelError::Unknown(model.to_owned())),
        }
    }

    /// The checkpoint's name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Cached(snapshot) => snapshot.label(),
            Self::Embedded(carried) => format!("the organism `{}`", carried.name),
        }
    }

    /// The commit of a checkpoint from the hub, for provenance.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::Cached(snapshot) => Some(&snapshot.commit),
            Self::Folder(_) | Self::Embedded(_) => None,
        }
    }

    /// The bytes of a file, or `None` where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>> {
        match self {
            Self::Folder(folder) | Self::Cached(Snapshot { folder, .. }) => {
                self.found(folder.join(name), |path| std::fs::read(path).map(Cow::Owned))
            }
            Self::Embedded(carried) => Ok(carried.file(name).map(Cow::Borrowed)),
        }
    }

    /// A file from which ranges are read, or `None` where there is no such file.
    pub fn source(&self, name: &str) -> Result<Option<Source>> {
        match self {
            Self::Folder(folder) | Self::Cached(Snapshot { folder, .. }) => self.found(folder.join(name), Source::open),
            Self::Embedded(carried) => Ok(carried.file(name).map(|bytes| Source::memory(name, bytes))),
        }
    }

    /// The bytes of a file that must exist.
    pub fn require(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        self.read(name)?.ok_or_else(|| self.missing(name))
    }

    /// A JSON file that must exist.
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.require(name)?).map_err(|e| self.unsupported(name, e.to_string()))
    }

    /// Names of the weight files: `model.safetensors`, or those that the index lists.
    pub fn weight_files(&self) -> Result<Vec<String>> {
        match self.index()? {
            None => Ok(vec![WEIGHTS.to_owned()]),
            Some(index) => Ok(index.into_values().collect::<BTreeSet<_>>().into_iter().collect()),
        }
    }

    /// Tensor names with the file that holds each, where the weights are in several files.
    ///
    /// Where both a single file and an index are there the single file counts, as in transformers.
    pub fn index(&self) -> Result<Option<BTreeMap<String, String>>> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: Unique<String>,
        }
        if self.source(WEIGHTS)?.is_some() || self.read(INDEX)?.is_none() {
            return Ok(None);
        }
        let Unique(map) = self.json::<Index>(INDEX)?.weight_map;
        match map.values().find(|file| file.is_empty() || file.contains(['/', '\\']) || file.contains("..")) {
            Some(file) => Err(self.unsupported(INDEX, format!("it names a file outside the folder: `{file}`"))),
            None => Ok(Some(map)),
        }
    }

    /// The error about a file that should be there.
    pub fn missing(&self, file: &str) -> ModelError {
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"];
        let is_there = |name: &&str| self.source(name).is_ok_and(|found| found.is_some());
        let problem = match (self, pickled.iter().find(|name| file == WEIGHTS && is_there(name))) {
            (_, Some(pickle)) => format!(
                "the file is missing; the weights are in {pickle}, which can run code when it is read: convert it with `save_pretrained(FOLDER, safe_serialization=True)` of transformers"
            ),
            (Self::Cached(snapshot), _) => snapshot.incomplete(),
            _ => "the file is missing".to_owned(),
        };
        self.unsupported(file, problem)
    }

    /// An error about one of the files.
    pub fn unsupported(&self, file: &str, problem: String) -> ModelError {
        ModelError::Unsupported { model: self.name(), file: file.to_owned(), problem }
    }

    /// What `read` gives for a path, or `None` where nothing is there; a link that leads nowhere is an error.
    fn found<T>(&self, path: PathBuf, read: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<Option<T>> {
        match (read(&path), self) {
            (Ok(found), _) => Ok(Some(found)),
            (Err(source), _) if source.kind() != ErrorKind::NotFound => Err(ModelError::Read { path, source }),
            (Err(_), _) if path.symlink_metadata().is_err() => Ok(None),
            (Err(_), Self::Cached(snapshot)) => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(self.unsupported(&file, snapshot.incomplete()))
            }
            (Err(source), _) => Err(ModelError::Read { path, source }),
        }
    }
}
