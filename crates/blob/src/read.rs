use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::BlobId;
use crate::seal::{CHUNK, CHUNK_SIZE, ENTRY, TRAILER_SIZE, chunks, crc, file_size, is_trailer};

/// Entries of the table held at once: those of 1 GiB.
const WINDOW: u64 = 16 * 1024;

/// What is wrong with a blob. Carried by an [`io::Error`] of the kind `InvalidData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub blob: String,
    /// What does not fit, and where.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file {} is damaged: {}", self.blob, self.what)
    }
}

impl std::error::Error for Damage {}

impl Damage {
    /// The damage that `error` tells of, if it does.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// The outcome of [`SealedFile::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Whole,
    /// The bytes are those that were written, by another account; the checksums behind them are not.
    Damaged(Vec<String>),
}

/// A sealed blob open for reading. Its bytes stay readable even if it is deleted. All calls block.
#[derive(Debug)]
pub struct SealedFile {
    file: File,
    blob: BlobId,
    length: u64,
    /// Number of the first entry in `table`.
    first: u64,
    table: Vec<u8>,
}

impl SealedFile {
    pub(crate) fn new(file: File, blob: BlobId, length: u64) -> io::Result<Self> {
        let opened = Self { file, blob, length, first: 0, table: Vec::new() };
        let (found, expected) = (opened.file.metadata()?.len(), file_size(length));
        if found != expected {
            return Err(opened.damage(format!("it has {found} bytes and not {expected}")));
        }
        Ok(opened)
    }

    /// Reads `wanted` bytes from `offset` on into `out`, over whatever is there, and answers which of them they
    /// are: whole chunks are read, since each is held against its checksum.
    ///
    /// `later` is where this caller's reading will end: it says how much of the table is worth having.
    pub fn read(
        &mut self,
        offset: u64,
        wanted: u64,
        later: u64,
        out: &mut Vec<u8>,
    ) -> io::Result<std::ops::Range<usize>> {
        let end = offset + wanted;
        if end > self.length {
            return Err(self.damage(format!("it ends at {} and not at {end}", self.length)));
        }
        let first = offset / CHUNK;
        let start = first * CHUNK;
        let stop = end.div_ceil(CHUNK).saturating_mul(CHUNK).min(self.length);
        let size = usize::try_from(stop - start).map_err(io::Error::other)?;
        out.resize(size, 0);
        self.file.read_exact_at(out, start)?;
        for (chunk, bytes) in (first..).zip(out.chunks(CHUNK_SIZE)) {
            let sum = self.sum(chunk, later.max(end))?;
            if crc(bytes) != sum {
                return Err(self.damage(format!("the bytes from {} on are not those written", chunk * CHUNK)));
            }
        }
        let from = usize::try_from(offset - start).map_err(io::Error::other)?;
        let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
        Ok(from..from + wanted)
    }

    /// The checksum of `chunk`, from the table in memory or read together with those up to `later`.
    fn sum(&mut self, chunk: u64, later: u64) -> io::Result<u32> {
        let held = self.table.len() as u64 / ENTRY;
        if chunk < self.first || chunk >= self.first + held {
            let count = (chunks(later) - chunk).clamp(1, WINDOW);
            self.table.resize(usize::try_from(count * ENTRY).map_err(io::Error::other)?, 0);
            self.file.read_exact_at(&mut self.table, self.length + chunk * ENTRY)?;
            self.first = chunk;
        }
        let at = usize::try_from((chunk - self.first) * ENTRY).map_err(io::Error::other)?;
        let entry = self.table[at..].first_chunk().copied().unwrap_or_default();
        Ok(u32::from_le_bytes(entry))
    }

    /// Reads all of it, holds everything against everything, `sum` of the row included, and hands the bytes to
    /// `see` as they pass.
    pub fn verify(&mut self, sum: u32, mut see: impl FnMut(&[u8])) -> io::Result<Verdict> {
        let mut wrong = Vec::new();
        let mut tail =
            vec![0; usize::try_from(file_size(self.length) - self.length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut tail, self.length)?;
        let (table, trailer) = tail.split_at(tail.len() - TRAILER_SIZE);
        if crc(table) != sum {
            wrong.push("its checksums are not those written".to_owned());
        }
        if !is_trailer(trailer, self.length, sum) {
            wrong.push("its last 24 bytes are not those written".to_owned());
        }
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < self.length {
            let size = usize::try_from((self.length - offset).min(1 << 20)).map_err(io::Error::other)?;
            let bytes = &mut buffer[..size];
            self.file.read_exact_at(bytes, offset)?;
            for (chunk, bytes) in (offset / CHUNK..).zip(bytes.chunks(CHUNK_SIZE)) {
                let at = usize::try_from(chunk * ENTRY).map_err(io::Error::other)?;
                if table[at..at + 4] != crc(bytes).to_le_bytes() && wrong.len() < 16 {
                    wrong.push(format!("the bytes from {} on are not those written", chunk * CHUNK));
                }
            }
            see(bytes);
            offset += size as u64;
        }
        Ok(if wrong.is_empty() { Verdict::Whole } else { Verdict::Damaged(wrong) })
    }

    pub fn len(&self) -> u64 {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn damage(&self, what: String) -> io::Error {
        let damage = Damage { blob: self.blob.to_string(), what };
        io::Error::new(io::ErrorKind::InvalidData, damage)
    }
}
