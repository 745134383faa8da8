//! The error that crosses the boundary: a kind that decides the exit code, and a message.

use std::fmt;

use abi_stable::{StableAbi, std_types::RString};
use arrow::error::ArrowError;

/// What went wrong, as text: new kinds can appear without a new ABI.
pub mod kind {
    /// The user's input: parameters, a recipe, a file that is not there.
    pub const INPUT: &str = "input";
    /// The plugin: a panic, a broken stream, a wrong use of an operation.
    pub const PLUGIN: &str = "plugin";
    /// The model or the device.
    pub const MODEL: &str = "model";
    /// The disk or the store.
    pub const STORAGE: &str = "storage";
    /// The judge or the network.
    pub const JUDGE: &str = "judge";
    /// The user stopped the run; it can be resumed.
    pub const CANCELLED: &str = "cancelled";
}

/// Starts a failure inside the text of a stream's error.
const MARK: &str = "emhost failure [";

/// An error that crosses the boundary.
#[repr(C)]
#[derive(Debug, Clone, PartialEq, Eq, StableAbi)]
pub struct Failure {
    kind: RString,
    message: RString,
}

impl Failure {
    /// A failure of the given [`kind`].
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: RString::from(message.into()) }
    }

    /// A failure of the plugin itself.
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(kind::PLUGIN, message)
    }

    /// The run was stopped.
    pub fn cancelled() -> Self {
        Self::new(kind::CANCELLED, "the run was stopped")
    }

    /// One of the names in [`kind`], or a newer one.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// A lower-case fragment that fits after "failed to ...:".
    pub fn message(&self) -> &str {
        &self.message
    }

    /// As an error of a stream, which has no room for a kind; [`Failure::from_stream`] finds it again.
    pub fn to_stream(&self) -> ArrowError {
        // Arrow makes a C string of the text.
        ArrowError::CDataInterface(format!("{MARK}{}] {}", self.kind, self.message).replace('\0', " "))
    }

    /// The failure in a stream's error, however often it crossed; of the kind `otherwise` where there is none.
    pub fn from_stream(error: &ArrowError, otherwise: &str) -> Self {
        let text = error.to_string();
        match text.rsplit_once(MARK).and_then(|(_, rest)| rest.split_once("] ")) {
            Some((kind, message)) => Self::new(kind, message),
            None => Self::new(otherwise, text),
        }
    }

    /// The process's exit status for this kind of failure; a kind that is unknown counts as the plugin's.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            kind::INPUT => 2,
            kind::MODEL => 4,
            kind::STORAGE => 5,
            kind::JUDGE => 6,
            kind::CANCELLED => 75,
            _ => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
