//! Why a plugin was not found, not accepted, or failed.

use std::path::PathBuf;

use emhost_abi::{Failure, OpenError};

use super::Refusal;

/// What can go wrong with a plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// No file has this name in the places that were searched.
    #[error("no plugin `{name}` in {}; give the library's path, or name its folder in EMHOST_PLUGIN_PATH", list(.searched))]
    NotFound {
        /// What the user asked for.
        name: String,
        /// Folders, in the order of the search.
        searched: Vec<PathBuf>,
    },
    /// The file was refused without loading it.
    #[error("plugin {}: {refusal}", .path.display())]
    Refused {
        /// The library.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// The system's loader refused the file.
    #[error("plugin {}: cannot be loaded: {reason}", .path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The bytes that were checked cannot be kept where nobody changes them before they are loaded.
    #[error("plugin {}: make a private copy: {source}", .path.display())]
    Copy {
        /// The library.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The library's types do not fit this host's.
    #[error("plugin {}: {reason}", .path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The first difference.
        reason: OpenError,
    },
    /// The plugin cannot describe itself.
    #[error("plugin {}: manifest: {reason}", .path.display())]
    Manifest {
        /// The library.
        path: PathBuf,
        /// What it said, or why its JSON cannot be read.
        reason: String,
    },
    /// An entry of the plugin failed, or a host operation that it passed on.
    #[error("plugin `{plugin}`, {entry}: {failure}")]
    Failed {
        /// The plugin's name.
        plugin: String,
        /// `parameters`, `plan`, `cell NAME` or `summarize`.
        entry: String,
        /// What it said; its kind decides the exit status.
        failure: Failure,
    },
}

impl PluginError {
    /// The process's exit status: 3, but a failure that the plugin only passed on keeps its own.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { failure, .. } => failure.exit_code(),
            Self::Copy { .. } => 5,
            _ => 3,
        }
    }
}

fn list(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}
