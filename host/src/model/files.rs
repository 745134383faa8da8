//! The files of a checkpoint: in a folder, or carried by the host.

use std::borrow::Cow;
use std::path::PathBuf;

use super::error::{ModelError, Result};
use crate::embedded;

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
        self.read(name)?.ok_or_else(|| self.unsupported(name, "the file is missing".to_owned()))
    }

    /// A JSON file that must exist.
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.require(name)?).map_err(|e| self.unsupported(name, e.to_string()))
    }

    /// Names of the weight files, from the index where there is one.
    pub fn weight_files(&self) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: std::collections::BTreeMap<String, String>,
        }
        const INDEX: &str = "model.safetensors.index.json";
        if self.read(INDEX)?.is_none() {
            return Ok(vec!["model.safetensors".to_owned()]);
        }
        let files: std::collections::BTreeSet<String> = self.json::<Index>(INDEX)?.weight_map.into_values().collect();
        match files.iter().find(|file| file.contains(['/', '\\'])) {
            Some(file) => Err(self.unsupported(INDEX, format!("it names a file outside the folder: `{file}`"))),
            None => Ok(files.into_iter().collect()),
        }
    }

    /// An error about one of the files.
    pub fn unsupported(&self, file: &str, problem: String) -> ModelError {
        ModelError::Unsupported { model: self.name(), file: file.to_owned(), problem }
    }
}
