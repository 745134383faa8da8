//! A file that is hashed while it is written, as a whole and span by span.

use std::fs::File;
use std::io::{self, Write};
use std::thread::{self, JoinHandle};

use blake3::Hasher;

use super::manifest::Span;

/// Bytes collected before they go to the system and to the hashers together.
const BUFFER: usize = 2 << 20;
/// Bytes after which the disk is asked to begin, so that little is left to wait for at the end.
const SYNC: u64 = 32 << 20;

/// Appends to a file; [`end_span`](Self::end_span) cuts the bytes so far into a hashed span.
#[derive(Debug)]
pub(crate) struct HashedFile {
    file: File,
    buffer: Vec<u8>,
    whole: Hasher,
    span: Hasher,
    span_start: u64,
    written: u64,
    /// Bytes that the disk has been asked for, and the thread that waits for them.
    asked: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
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
            asked: 0,
            syncing: None,
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
        if self.written - self.asked >= SYNC {
            self.synced()?;
            let file = self.file.try_clone()?;
            self.syncing = Some(thread::spawn(move || file.sync_data()));
            self.asked = self.written;
        }
        Ok(span)
    }

    /// Waits until the disk has what it was asked for.
    fn synced(&mut self) -> io::Result<()> {
        match self.syncing.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread that waits for the disk ended early")),
            None => Ok(()),
        }
    }

    /// Makes the bytes durable; gives the length and BLAKE3 of the whole file.
    pub(crate) fn finish(mut self) -> io::Result<(u64, String)> {
        self.drain()?;
        self.synced()?;
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
        let result = if bytes.len() < BUFFER / 16 {
            hash();
            file.write_all(bytes)
        } else {
            // A thread of its own: those of the pool may be busy with a model for a while.
            thread::scope(|scope| {
                scope.spawn(hash);
                file.write_all(bytes)
            })
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
