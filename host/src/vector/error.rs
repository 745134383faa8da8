//! What can be wrong with a vector file or a layer number.

use std::path::{Path, PathBuf};

use crate::store::StoreError;

/// A failure to read, write or address directions.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The file system refuses.
    #[error("read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not hold what a vector file holds.
    #[error("read `{}`: expected {expected}, found {found}; {hint}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A pickle names code.
    #[error(
        "read `{}`: it asks for `{name}`, which is code and not a tensor; nothing was run. Do not load this file in \
         Python unless you trust it; a file to read here holds tensors, numbers, text, dicts, lists and tuples only",
        path.display()
    )]
    Code {
        /// The file.
        path: PathBuf,
        /// The module and name, or the opcode.
        name: String,
    },
    /// A name that the file does not have.
    #[error("find direction `{name}` in `{}`: it has {known}", path.display())]
    NoName {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A reference without a name to a file that holds several.
    #[error("choose a direction of `{path}`: it holds {known}; write `{path}#NAME`", path = path.display())]
    Several {
        /// The file.
        path: PathBuf,
        /// The names that exist.
        known: String,
    },
    /// Directions that the form of the file cannot hold.
    #[error("write `{}`: {problem}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What does not fit, and what to do.
        problem: String,
    },
    /// A layer number that a convention does not have.
    #[error("find layer {layer} of convention `{convention}`: {problem}")]
    Layer {
        /// The number as given.
        layer: usize,
        /// The convention's short name.
        convention: &'static str,
        /// What it has.
        problem: String,
    },
    /// A site that a convention has no number for, or that is none.
    #[error("number site `{site}`: {problem}")]
    Site {
        /// The site as given.
        site: String,
        /// Why not.
        problem: String,
    },
    /// A reference that is neither a file nor the key of stored directions.
    #[error("find directions `{reference}`: {problem}")]
    Unknown {
        /// As given.
        reference: String,
        /// What was looked for, and what to do.
        problem: String,
    },
    /// There is nothing in which directions could be stored.
    #[error("open `{}`: there is no store yet, the first run makes it (`emhost config show`)", store.display())]
    NoStore {
        /// The store's folder.
        store: PathBuf,
    },
    /// A stage of directions that is not as it was written.
    #[error(
        "read stored directions `{}`: {problem}; `emhost store verify {key} --remove` removes them, and a new run of \
         their study stores them again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first digits of its key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// A direction without a length.
    #[error("compare `{name}`: all its numbers are 0, so it points nowhere; leave it out")]
    Zero {
        /// The direction.
        name: String,
    },
    /// Two directions that have no cosine.
    #[error("compare `{first}` with `{second}`: {problem}")]
    Compare {
        /// One direction.
        first: String,
        /// The other.
        second: String,
        /// Why not.
        problem: String,
    },
    /// The file could not be stored.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl VectorError {
    /// The exit code: 5 when storage failed, else the input is wrong.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Store(_) | Self::NoStore { .. } | Self::Damaged { .. } => StoreError::EXIT_CODE,
            _ => 2,
        }
    }
}

/// What is wrong with a file's content, before its path is known.
#[derive(Debug)]
pub(super) enum Problem {
    /// See [`VectorError::Content`].
    Content { expected: String, found: String, hint: String },
    /// See [`VectorError::Code`].
    Code(String),
    /// See [`VectorError::Layer`].
    Address(VectorError),
}

impl Problem {
    pub(super) fn new(expected: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Content { expected: expected.into(), found: found.into(), hint: hint.into() }
    }

    /// The file stops before it is complete, or a number in it points outside.
    pub(super) fn damaged(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(expected, found, "the file is cut off or damaged: copy or download it again")
    }

    pub(super) fn at(self, path: &Path) -> VectorError {
        let path = path.to_owned();
        match self {
            Self::Content { expected, found, hint } => VectorError::Content { path, expected, found, hint },
            Self::Code(name) => VectorError::Code { path, name },
            Self::Address(error) => error,
        }
    }
}

impl From<VectorError> for Problem {
    fn from(error: VectorError) -> Self {
        Self::Address(error)
    }
}
