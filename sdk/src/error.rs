//! The author's error type: the kind decides the process's exit status.

use emhost_abi::{Failure, kind};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user's input: parameters, a recipe, a file that is not there. Exit status 2.
    #[error("{0}")]
    Input(String),
    /// The plugin itself. Exit status 3.
    #[error("{0}")]
    Plugin(String),
    /// The model or the device. Exit status 4.
    #[error("{0}")]
    Model(String),
    /// The disk or the store. Exit status 5.
    #[error("{0}")]
    Storage(String),
    /// The judge or the network. Exit status 6.
    #[error("{0}")]
    Judge(String),
    /// The user stopped the run: return at once. Exit status 75.
    #[error("the run was stopped")]
    Cancelled,
}

/// A result with the SDK's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let message = failure.message().to_owned();
        match failure.kind() {
            kind::INPUT => Self::Input(message),
            kind::MODEL => Self::Model(message),
            kind::STORAGE => Self::Storage(message),
            kind::JUDGE => Self::Judge(message),
            kind::CANCELLED => Self::Cancelled,
            _ => Self::Plugin(message),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::Input(_) => kind::INPUT,
            Error::Plugin(_) => kind::PLUGIN,
            Error::Model(_) => kind::MODEL,
            Error::Storage(_) => kind::STORAGE,
            Error::Judge(_) => kind::JUDGE,
            Error::Cancelled => kind::CANCELLED,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::Plugin(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::Plugin(message.to_owned())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Plugin(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Plugin(format!("JSON: {error}"))
    }
}
