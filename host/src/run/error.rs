//! What can end a run early.

use std::path::PathBuf;

use emhost_abi::{Failure, kind};

use crate::judge::JudgeError;
use crate::model::ModelError;
use crate::plugins::PluginError;
use crate::rows::RowsError;
use crate::store::StoreError;
use crate::vector::VectorError;

/// An error of a run, with the exit status that it ends in.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A recipe cannot be read or is incomplete.
    #[error("recipe {}: {problem}", path.display())]
    Recipe {
        /// File, or where the recipe came from.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A scorecard cannot be read, or a claim of it makes no sense.
    #[error("scorecard {}: {problem}", path.display())]
    Scorecard {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A plugin was not found, was refused, or failed.
    #[error("{0}")]
    Plugin(#[from] PluginError),
    /// The plugin needs operations that this host lacks.
    #[error("plugin `{plugin}` needs operations that this emhost does not have: {missing}; update emhost")]
    Operations {
        /// The plugin.
        plugin: String,
        /// Names.
        missing: String,
    },
    /// The store failed.
    #[error("{0}")]
    Store(StoreError),
    /// A model failed.
    #[error("{0}")]
    Model(#[from] ModelError),
    /// Judging failed.
    #[error("{0}")]
    Judge(#[from] JudgeError),
    /// Rows cannot be had.
    #[error("{0}")]
    Rows(#[from] RowsError),
    /// Directions cannot be read or written.
    #[error("{0}")]
    Vector(#[from] VectorError),
    /// A folder of the run cannot be used.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An operation was used wrongly.
    #[error("{0}")]
    Operation(String),
    /// What a plugin's stream or an operation passed on.
    #[error("{0}")]
    Failure(Failure),
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Another process works on the same run.
    #[error("run {run} is being worked on by {by}; wait until it has ended")]
    Busy {
        /// The run.
        run: String,
        /// Which process.
        by: String,
    },
    /// Some cells failed; what they said is beside it, in the order of the plan.
    #[error("{}", failed(.cells, *.of))]
    Cells {
        /// Id and failure of each.
        cells: Vec<(String, Box<RunError>)>,
        /// Cells of the plan.
        of: usize,
    },
    /// The time of the budget is over.
    #[error("the budget's time is over with {left} cells left; run the same command again to go on")]
    Budget {
        /// Cells and summaries that did not begin.
        left: usize,
    },
    /// The user stopped the run.
    #[error("stopped; run the same command again to go on")]
    Interrupted,
}

impl RunError {
    /// The process's exit status.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plugin(error) => error.exit_code(),
            Self::Operations { .. } => 3,
            Self::Judge(error) => error.exit_code(),
            Self::Budget { .. } => 75,
            Self::Cells { cells, .. } => cells.first().map_or(3, |(_, error)| error.exit_code()),
            other => other.failure().exit_code(),
        }
    }

    /// What went wrong, without the plugin and cell that it went through.
    fn reason(&self) -> String {
        match self {
            Self::Plugin(PluginError::Failed { failure, .. }) => failure.to_string(),
            other => other.to_string(),
        }
    }

    /// The error as it goes to a plugin.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Self::Failure(failure) => return failure.clone(),
            Self::Interrupted | Self::Budget { .. } | Self::Model(ModelError::Cancelled) => {
                return Failure::cancelled();
            }
            Self::Judge(error) => error.kind(),
            Self::Recipe { .. } | Self::Scorecard { .. } | Self::Rows(_) | Self::Usage(_) | Self::Busy { .. } => {
                kind::INPUT
            }
            Self::Model(error) if error.is_input() => kind::INPUT,
            Self::Model(ModelError::Write { .. }) => kind::STORAGE,
            Self::Model(_) => kind::MODEL,
            Self::Store(_) | Self::Vector(VectorError::Store(_)) | Self::Io { .. } => kind::STORAGE,
            Self::Vector(_) => kind::INPUT,
            Self::Plugin(_) | Self::Operations { .. } | Self::Operation(_) | Self::Cells { .. } => kind::PLUGIN,
        };
        Failure::new(kind, self.to_string())
    }
}

/// One line where all cells failed for one reason, or else a line for each.
fn failed(cells: &[(String, Box<RunError>)], of: usize) -> String {
    let again = "the same command tries them again";
    let reasons: Vec<String> = cells.iter().map(|(_, error)| error.reason()).collect();
    let count = format!("{} of {of} cells failed", cells.len());
    if reasons.windows(2).all(|pair| pair[0] == pair[1]) {
        let names: Vec<&str> = cells.iter().take(3).map(|(cell, _)| cell.as_str()).collect();
        let more = if cells.len() > names.len() { ", ..." } else { "" };
        return format!(
            "{count} ({}{more}): {}; {again}",
            names.join(", "),
            reasons.first().map_or("", String::as_str)
        );
    }
    let each: Vec<String> = cells.iter().zip(&reasons).map(|((cell, _), why)| format!("\n  {cell}: {why}")).collect();
    format!("{count}; {again}{}", each.concat())
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::GaveUp { .. } => Self::Interrupted,
            error => Self::Store(error),
        }
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
