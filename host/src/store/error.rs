//! Everything that can go wrong in storage, each with the path and what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

/// A failure of the store. All of them end the process with exit code 5.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space, or no quota, is left.
    #[error("write {path}: the disk or quota is full; free space or choose another folder, nothing was published", path = .path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The system refuses access.
    #[error("{action} {path}: access is refused; check the owner and mode of the file and its folder", path = .path.display())]
    Permission {
        /// `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is nothing at the path.
    #[error("{action} {path}: it does not exist; check the path", path = .path.display())]
    Missing {
        /// `read`, `open`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
    },
    /// Any other failure of the file system.
    #[error("{action} {path}: {source}", path = .path.display())]
    Io {
        /// `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another process computes what is wanted, and it was not waited for.
    #[error("wait for {path}: another process computes it; run the same command again to go on", path = .path.display())]
    GaveUp {
        /// The stage.
        path: PathBuf,
    },
    /// The final name is taken; datasets are never replaced.
    #[error("create {path}: it exists already; choose another name or remove it", path = .path.display())]
    Exists {
        /// The final name.
        path: PathBuf,
    },
    /// A folder without a manifest.
    #[error("open {path}: it is not a dataset, there is no manifest.json in it", path = .path.display())]
    NotADataset {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a newer version.
    #[error("open {path}: format {found} is newer than the {known} that this version reads; update emhost", path = .path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// The manifest's format version.
        found: u64,
        /// The newest version that this build reads.
        known: u64,
    },
    /// Bytes on disk are not what was written.
    #[error("read {path}: corrupted, {why}; restore it from a copy, `emhost data verify` locates the damage", path = .path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// Verification found damage; the list was reported beside this error.
    #[error("verify {path}: {count} damaged or unexpected file part(s)", path = .path.display())]
    Damaged {
        /// The dataset.
        path: PathBuf,
        /// Number of findings.
        count: usize,
    },
    /// A column that the dataset does not have.
    #[error("read column `{column}` of {path}: there is no such column; it has {known}", path = .path.display())]
    UnknownColumn {
        /// The dataset.
        path: PathBuf,
        /// The name asked for.
        column: String,
        /// The names that exist.
        known: String,
    },
    /// A part without any rows or schema.
    #[error("read the {part} part of {path}: the dataset has no such part", path = .path.display())]
    NoPart {
        /// The dataset.
        path: PathBuf,
        /// `rows` or `acts`.
        part: &'static str,
    },
    /// A batch or a request that does not fit the schema.
    #[error("use column `{column}` of {path}: {why}", path = .path.display())]
    Schema {
        /// The dataset or table.
        path: PathBuf,
        /// The column at fault.
        column: String,
        /// What was expected and what came.
        why: String,
    },
    /// A value outside the range of f16.
    #[error("store site `{site}` as f16: {value} in row {row} (row_id {row_id}) is outside +-65504; store as f32")]
    Overflow {
        /// The activation column.
        site: String,
        /// 0-based row of the part.
        row: u64,
        /// The row's id.
        row_id: String,
        /// The value that does not fit.
        value: f32,
    },
    /// A stage name that cannot be a folder, or a stage with an odd file.
    #[error("store the stage at {path}: {why}", path = .path.display())]
    Stage {
        /// The stage's folder or file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Rows could not be encoded, or the stream that gave them failed.
    #[error("encode rows for {path}: {why}", path = .path.display())]
    Encode {
        /// The file being written.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

impl StoreError {
    /// The exit code of every storage failure.
    pub const EXIT_CODE: u8 = 5;

    /// Sorts a system error by what a person can do about it.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full { path, source },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Permission { action, path, source },
            ErrorKind::NotFound => Self::Missing { action, path },
            ErrorKind::UnexpectedEof => Self::Corrupt { path, why: "the file ends too early".to_owned() },
            _ => Self::Io { action, path, source },
        }
    }

    /// A failure of the Parquet library while reading `path`.
    pub(crate) fn decode(path: &Path, source: ParquetError) -> Self {
        match own_io(source) {
            Ok(source) => Self::io("read", path, source),
            Err(source) => Self::Corrupt { path: path.to_owned(), why: source.to_string() },
        }
    }

    /// A failure of the Parquet library while writing `path`.
    pub(crate) fn encode(path: &Path, source: ParquetError) -> Self {
        match own_io(source) {
            Ok(source) => Self::io("write", path, source),
            Err(source) => Self::Encode { path: path.to_owned(), why: source.to_string() },
        }
    }

    /// An error that came out of a stream: the store's own comes back as it was.
    pub fn stream(path: &Path, source: ArrowError) -> Self {
        match source {
            ArrowError::ExternalError(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(other) => Self::Encode { path: path.to_owned(), why: other.to_string() },
            },
            other => Self::Encode { path: path.to_owned(), why: other.to_string() },
        }
    }

    pub(crate) fn corrupt(path: &Path, why: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), why: why.into() }
    }
}

impl From<StoreError> for ArrowError {
    fn from(error: StoreError) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

fn own_io(error: ParquetError) -> Result<io::Error, ParquetError> {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(io) => Ok(*io),
            Err(inner) => Err(ParquetError::External(inner)),
        },
        other => Err(other),
    }
}
