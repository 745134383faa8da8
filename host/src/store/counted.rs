//! A file read by position that counts the bytes taken from disk, and the guarded start of a Parquet file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::reader::{ChunkReader, Length};

use super::StoreError;

/// An open file. Clones share the handle and the counter.
#[derive(Debug, Clone)]
pub(crate) struct CountedFile {
    file: Arc<File>,
    path: Arc<PathBuf>,
    len: u64,
    bytes: Arc<AtomicU64>,
}

impl CountedFile {
    pub(crate) fn open(path: &Path, bytes: Arc<AtomicU64>) -> Result<Self, StoreError> {
        let fail = |e| StoreError::io("read", path, e);
        let file = File::open(path).map_err(fail)?;
        let len = file.metadata().map_err(fail)?.len();
        Ok(Self { file: Arc::new(file), path: Arc::new(path.to_owned()), len, bytes })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `out` from `start` on.
    pub(crate) fn read_at(&self, start: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, start)?;
        self.bytes.fetch_add(out.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A stretch that must lie inside the file: no length in a damaged file makes us allocate more than its size.
    pub(crate) fn bytes_at(&self, start: u64, length: usize) -> io::Result<Vec<u8>> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; length];
        self.read_at(start, &mut bytes)?;
        Ok(bytes)
    }

    /// Decodes the Parquet footer; `expected` is its place and BLAKE3, when a manifest knows them.
    pub(crate) fn footer(&self, expected: Option<&super::Span>) -> Result<ArrowReaderMetadata, StoreError> {
        let path = self.path();
        let read = |start, length| self.bytes_at(start, length).map_err(|e| StoreError::io("read", path, e));
        let footer = match expected {
            Some(span) => {
                let length = usize::try_from(span.bytes).map_err(|e| StoreError::corrupt(path, e.to_string()))?;
                let footer = read(span.start, length)?;
                if blake3::hash(&footer).to_hex().as_str() != span.blake3 {
                    return Err(StoreError::corrupt(path, "the footer does not match the manifest"));
                }
                footer
            }
            None => {
                let start =
                    self.len.checked_sub(TAIL as u64).ok_or_else(|| StoreError::corrupt(path, "it is too short"))?;
                let tail = read(start, TAIL)?;
                let length =
                    metadata_length(&tail).ok_or_else(|| StoreError::corrupt(path, "it is no Parquet file"))?;
                let start = start.checked_sub(length as u64);
                let start = start.ok_or_else(|| StoreError::corrupt(path, "the footer is longer than the file"))?;
                let mut footer = read(start, length)?;
                footer.extend_from_slice(&tail);
                footer
            }
        };
        let length = footer.len().checked_sub(TAIL).and_then(|end| {
            let length = metadata_length(&footer[end..])?;
            (length <= end).then_some(end - length..end)
        });
        let metadata = length.ok_or_else(|| StoreError::corrupt(path, "the footer has no metadata"))?;
        guard(path, || {
            let metadata = ParquetMetaDataReader::decode_metadata(&footer[metadata])?;
            ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new())
        })
    }
}

/// Runs a decoder: damaged files make some of its versions panic, which must stay an error here.
pub(crate) fn guard<T>(path: &Path, decode: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|e| StoreError::decode(path, e)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(StoreError::corrupt(path, format!("the Parquet decoder gave up: {text}")))
        }
    }
}

/// Length field and magic at the end of a Parquet file.
const TAIL: usize = 8;

fn metadata_length(tail: &[u8]) -> Option<usize> {
    let (length, magic) = tail.split_first_chunk::<4>()?;
    (magic == b"PAR1").then_some(u32::from_le_bytes(*length) as usize)
}

impl Length for CountedFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for CountedFile {
    type T = Sequential;

    fn get_read(&self, start: u64) -> Result<Sequential, ParquetError> {
        Ok(Sequential { file: self.clone(), position: start, buffer: Vec::new(), used: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        Ok(Bytes::from(self.bytes_at(start, length)?))
    }
}

/// Reads on from a position, a little at a time: the decoder uses it for page headers only.
#[derive(Debug)]
pub(crate) struct Sequential {
    file: CountedFile,
    position: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Read for Sequential {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        /// More than a page header without statistics.
        const AHEAD: u64 = 128;
        if self.used == self.buffer.len() {
            let rest = self.file.len.saturating_sub(self.position);
            self.buffer = self.file.bytes_at(self.position, rest.min(AHEAD) as usize)?;
            self.position += self.buffer.len() as u64;
            self.used = 0;
        }
        let rest = &self.buffer[self.used..];
        let taken = rest.len().min(out.len());
        out[..taken].copy_from_slice(&rest[..taken]);
        self.used += taken;
        Ok(taken)
    }
}
