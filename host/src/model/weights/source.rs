//! A file of a checkpoint from which single ranges of bytes are read.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::error::ModelError;

/// An open file, or bytes in memory.
#[derive(Debug)]
pub struct Source {
    name: PathBuf,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    File(File, u64),
    Memory(Cow<'static, [u8]>),
}

impl Source {
    /// Opens a file and reads nothing.
    pub fn open(path: &Path) -> Result<Self> {
        let found = std::fs::metadata(path)?;
        if !found.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "it is not a file"));
        }
        Ok(Self { name: path.to_owned(), bytes: Bytes::File(File::open(path)?, found.len()) })
    }

    /// Bytes in memory, by the name that messages call them.
    pub fn memory(name: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { name: name.into(), bytes: Bytes::Memory(bytes.into()) }
    }

    /// Path of the file, or the name of the bytes.
    pub fn path(&self) -> &Path {
        &self.name
    }

    /// The last part of the path.
    pub fn file_name(&self) -> String {
        self.name.file_name().unwrap_or(self.name.as_os_str()).to_string_lossy().into_owned()
    }

    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match &self.bytes {
            Bytes::File(_, length) => *length,
            Bytes::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `part` from byte `at` on.
    pub fn read_at(&self, part: &mut [u8], at: u64) -> Result<()> {
        match &self.bytes {
            Bytes::File(file, _) => file.read_exact_at(part, at),
            Bytes::Memory(bytes) => {
                let start = usize::try_from(at).map_err(|_| ErrorKind::UnexpectedEof)?;
                let found = bytes.get(start..).and_then(|bytes| bytes.get(..part.len()));
                part.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// Adds the length and the bytes to a digest.
    pub fn digest(&self, hasher: &mut blake3::Hasher) -> Result<()> {
        hasher.update(&self.length().to_le_bytes());
        let mut chunk = vec![0; self.length().min(1 << 20) as usize];
        let mut at = 0;
        while at < self.length() {
            let part = (self.length() - at).min(chunk.len() as u64) as usize;
            self.read_at(&mut chunk[..part], at)?;
            hasher.update(&chunk[..part]);
            at += part as u64;
        }
        Ok(())
    }
}

/// Reads a whole file.
pub fn read_file(path: &Path) -> super::super::error::Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })
}
