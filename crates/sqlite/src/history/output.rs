//! A file that grows at its end, buffered, in which something written shortly before can still be replaced.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    /// Where `buffer` belongs.
    at: u64,
    buffer: Vec<u8>,
}

impl Output {
    /// Appends to `file` from `length` on, whatever it has there.
    pub(crate) fn new(file: File, length: u64) -> io::Result<Self> {
        file.set_len(length)?;
        Ok(Self { file, at: length, buffer: Vec::new() })
    }

    pub(crate) fn length(&self) -> u64 {
        self.at + self.buffer.len() as u64
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    pub(crate) fn replace(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match usize::try_from(at.wrapping_sub(self.at)) {
            Ok(start) if at >= self.at => {
                self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            _ => self.file.write_all_at(bytes, at),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.file.sync_data()
    }

    /// Forgets what is behind `length`.
    pub(crate) fn truncate(&mut self, length: u64) -> io::Result<()> {
        if length >= self.at {
            self.buffer.truncate(usize::try_from(length - self.at).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.buffer.clear();
        self.at = length;
        self.file.set_len(length)
    }
}
