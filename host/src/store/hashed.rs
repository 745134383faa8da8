//! A file that is hashed while it is written, as a whole and span by span.

use std::fs::File;
use std::io::{self, Write};

use blake3::Hasher;

use super::manifest::Span;

/// Bytes collected before they go to the system and to the hashers together.
const BUFFER: usize = 2 << 20;

/// Appends to a file; [`end_span`](Self::end_span) cuts the bytes so far into a hashed span.
#[derive(Debug)]
pub(crate) struct HashedFile {
    file: File,
    buffer: Vec<u8>,
    whole: Hasher,
    span: Hasher,
    span_start: u64,
    written: u64,
}

impl HashedFile {
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            buffer: Vec::with_capacity(BUFFER),
            whole: Hasher::new(),
            span: Hasher::new(),
            span_start: 0,
            written: 0,
        }
    }

    /// Bytes handed in so far.
    pub(crate) fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Ends the current span and starts the next one.
    pub(crate) fn end_span(&mut self) -> io::Result<Span> {
        self.drain()?;
        let span = Span {
            start: self.span_start,
            bytes: self.written - self.span_start,
            blake3: self.span.finalize().to_hex().to_string(),
        };
        self.span.reset();
        self.span_start = self.written;
        Ok(span)
    }

    /// Makes the bytes durable; gives the length and BLAKE3 of the whole file.
    pub(crate) fn finish(mut self) -> io::Result<(u64, String)> {
        self.drain()?;
        self.file.sync_all()?;
        Ok((self.written, self.whole.finalize().to_hex().to_string()))
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.pass(&buffer);
        buffer.clear();
        self.buffer = buffer;
        result
    }

    /// Writes and hashes at the same time.
    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { file, whole, span, .. } = self;
        let mut hash = || {
            span.update(bytes);
            whole.update(bytes);
        };
        let (result, ()) = if bytes.len() < BUFFER / 16 {
            (file.write_all(bytes), hash())
        } else {
            rayon::join(|| file.write_all(bytes), hash)
        };
        self.written += bytes.len() as u64;
        result
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.is_empty() && bytes.len() >= BUFFER {
            self.pass(bytes)?;
            return Ok(bytes.len());
        }
        let taken = bytes.len().min(BUFFER - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == BUFFER {
            self.drain()?;
        }
        Ok(taken)
    }

    /// Does nothing: bytes leave in large pieces, and durability comes from [`finish`](HashedFile::finish).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
