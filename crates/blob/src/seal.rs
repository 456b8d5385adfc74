//! What is behind the bytes of a sealed blob:
//!
//! ```text
//! the bytes                          `length` of them
//! CRC-32C of every 64 KiB of them    4 bytes each, little endian; the last piece may be shorter
//! "SvBlob01"
//! length                             8 bytes, little endian
//! sum: CRC-32C of the table          4 bytes
//! CRC-32C of the 20 bytes above      4 bytes
//! ```
//!
//! The row that names the blob keeps `length` and `sum` as well, so that a whole blob in the place of another
//! one is noticed too.

use crc_fast::{CrcAlgorithm, Digest};

/// Bytes that share a checksum.
pub const CHUNK: u64 = CHUNK_SIZE as u64;
pub(crate) const CHUNK_SIZE: usize = 64 * 1024;

const MAGIC: &[u8; 8] = b"SvBlob01";
pub(crate) const TRAILER_SIZE: usize = 24;
/// Bytes of one entry of the table.
pub(crate) const ENTRY: u64 = 4;

pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// How many checksums `length` bytes have.
pub(crate) fn chunks(length: u64) -> u64 {
    length.div_ceil(CHUNK)
}

/// Bytes of the file of a sealed blob of `length` bytes.
pub(crate) fn file_size(length: u64) -> u64 {
    length + chunks(length) * ENTRY + TRAILER_SIZE as u64
}

/// Counts the checksums of bytes as they pass.
#[derive(Debug)]
pub(crate) struct Sums {
    table: Vec<u8>,
    running: Digest,
    /// Bytes that `running` has.
    in_chunk: u64,
    length: u64,
}

impl Default for Sums {
    fn default() -> Self {
        let running = Digest::new(CrcAlgorithm::Crc32Iscsi);
        Self { table: Vec::new(), running, in_chunk: 0, length: 0 }
    }
}

impl Sums {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK - self.in_chunk).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.running.update(now);
            self.in_chunk += now.len() as u64;
            if self.in_chunk == CHUNK {
                self.close_chunk();
            }
            bytes = later;
        }
    }

    fn close_chunk(&mut self) {
        let sum = u32::try_from(self.running.finalize_reset()).unwrap_or_default();
        self.table.extend_from_slice(&sum.to_le_bytes());
        self.in_chunk = 0;
    }

    /// The table and what is behind it, and the table's own checksum.
    pub(crate) fn finish(mut self) -> (Vec<u8>, u32) {
        if self.in_chunk > 0 {
            self.close_chunk();
        }
        let sum = crc(&self.table);
        let mut tail = self.table;
        tail.extend_from_slice(&trailer(self.length, sum));
        (tail, sum)
    }
}

fn trailer(length: u64, sum: u32) -> [u8; TRAILER_SIZE] {
    let mut trailer = [0; TRAILER_SIZE];
    trailer[..8].copy_from_slice(MAGIC);
    trailer[8..16].copy_from_slice(&length.to_le_bytes());
    trailer[16..20].copy_from_slice(&sum.to_le_bytes());
    let own = crc(&trailer[..20]);
    trailer[20..].copy_from_slice(&own.to_le_bytes());
    trailer
}

/// Whether `found` is the end of a blob of `length` bytes whose table has the checksum `sum`.
pub(crate) fn is_trailer(found: &[u8], length: u64, sum: u32) -> bool {
    found == trailer(length, sum)
}
