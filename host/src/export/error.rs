//! What can keep an export from being made.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// The result of an export.
pub type Result<T> = std::result::Result<T, ExportError>;

/// A failed export, with the object that it failed at.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The run has nothing of what the target holds.
    #[error("run `{run}` has nothing to export to {target}: {problem}")]
    Nothing {
        /// The run.
        run: String,
        /// The format.
        target: &'static str,
        /// What is missing.
        problem: String,
    },
    /// What was asked for cannot be exported as it is.
    #[error("{object}: {problem}")]
    Input {
        /// A table, a column, a setting.
        object: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The name is taken.
    #[error("{} exists; ask for it to be replaced, or choose another name", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// A table cannot be read.
    #[error("read table `{table}`: {problem}")]
    Table {
        /// `CELL/NAME`, or the name of a table of the run.
        table: String,
        /// Why.
        problem: String,
    },
    /// The file system failed.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A file of a spool is not one that was written there.
    #[error("{} cannot be sent: {problem}", path.display())]
    Spool {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another process sends this spool.
    #[error("{} is being sent by another process", path.display())]
    Busy {
        /// The spool.
        path: PathBuf,
    },
    /// The server could not be reached, or failed, for too long.
    #[error("{url} was not reached for {seconds:.0} s ({problem}); {left} requests stay in {}, export again to send them", spool.display())]
    Unreached {
        /// The server.
        url: String,
        /// Seconds since it last answered.
        seconds: f64,
        /// Its last failure.
        problem: String,
        /// Requests that it has not taken.
        left: usize,
        /// Where they stay.
        spool: PathBuf,
    },
    /// The server refused a request, and would refuse it again.
    #[error("{url} refused a request: {problem}; {left} requests stay in {}, export again to send them", spool.display())]
    Refused {
        /// The server.
        url: String,
        /// Its reason.
        problem: String,
        /// Requests that it has not taken.
        left: usize,
        /// Where they stay.
        spool: PathBuf,
    },
}

impl ExportError {
    /// The process's exit status: 2 for what was asked, 5 for storage, 6 for the network.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Nothing { .. } | Self::Input { .. } | Self::Exists { .. } => 2,
            Self::Table { .. } | Self::Io { .. } | Self::Store(_) | Self::Spool { .. } | Self::Busy { .. } => 5,
            Self::Unreached { .. } | Self::Refused { .. } => 6,
        }
    }

    pub(super) fn input(object: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Input { object: object.into(), problem: problem.into() }
    }

    /// An error of the file system with its object.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
