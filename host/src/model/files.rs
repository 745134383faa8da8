//! The files of a checkpoint: in a folder, or carried by the host.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::{ModelError, Result};
use super::weights::{Source, Unique};
use crate::embedded;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Where the files of one checkpoint are.
#[derive(Debug, Clone)]
pub enum Files {
    /// A folder in Hugging Face's layout.
    Folder(PathBuf),
    /// The organism that the host carries.
    Embedded,
}

impl Files {
    /// `embedded`, or a folder.
    pub fn find(model: &str) -> Result<Self> {
        if model == "embedded" {
            return Ok(Self::Embedded);
        }
        let folder = PathBuf::from(model);
        if folder.is_dir() { Ok(Self::Folder(folder)) } else { Err(ModelError::Unknown(model.to_owned())) }
    }

    /// The checkpoint's name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.display().to_string(),
            Self::Embedded => "the embedded organism".to_owned(),
        }
    }

    /// The bytes of a file, or `None` where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>> {
        match self {
            Self::Embedded => Ok(embedded::file(&format!("organism/{name}")).map(Cow::Borrowed)),
            Self::Folder(folder) => {
                let path = folder.join(name);
                match std::fs::read(&path) {
                    Ok(bytes) => Ok(Some(Cow::Owned(bytes))),
                    Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(ModelError::Read { path, source }),
                }
            }
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

    /// A file from which ranges are read, or `None` where there is no such file.
    pub fn source(&self, name: &str) -> Result<Option<Source>> {
        match self {
            Self::Embedded => Ok(embedded::file(&format!("organism/{name}")).map(|bytes| Source::memory(name, bytes))),
            Self::Folder(folder) => {
                let path = folder.join(name);
                match Source::open(&path) {
                    Ok(source) => Ok(Some(source)),
                    Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(source) => Err(ModelError::Read { path, source }),
                }
            }
        }
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
        self.unsupported(file, "the file is missing".to_owned())
    }

    /// An error about one of the files.
    pub fn unsupported(&self, file: &str, problem: String) -> ModelError {
        ModelError::Unsupported { model: self.name(), file: file.to_owned(), problem }
    }
}
