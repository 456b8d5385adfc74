//! The bytes of a log: little-endian, every part with a checksum (XXH3, 64 bits) of its own.
//!
//! A segment is a header, records one after the other, and, once nothing more is appended, a trailer. A record is
//! one transaction, or several merged into one, or the whole database: a header, the pages (LZ4 blocks, or as they
//! are when that is not shorter), then a directory of them. The header is written last and says how long the
//! record is, so records are found by hopping from header to header.

use xxhash_rust::xxh3::xxh3_64;

pub(crate) const VERSION: u16 = 1;

pub(crate) const SEGMENT_HEADER: usize = 64;
pub(crate) const RECORD_HEADER: usize = 96;
pub(crate) const DIRECTORY_ENTRY: usize = 16;
pub(crate) const TRAILER: usize = 64;

const SEGMENT_MAGIC: [u8; 8] = *b"SelvHist";
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"REC1";
const TRAILER_MAGIC: [u8; 8] = *b"SelvTail";

/// What the records of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// One commit each.
    Commits,
    /// Several commits each.
    Merged,
    /// One record: all pages.
    Snapshot,
}

impl Kind {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Commits => "log",
            Self::Merged => "merged",
            Self::Snapshot => "snapshot",
        }
    }
}

impl Kind {
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        [Self::Commits, Self::Merged, Self::Snapshot].into_iter().find(|kind| kind.extension() == extension)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) kind: Kind,
    pub(crate) page_size: u32,
    pub(crate) log: [u8; 16],
    pub(crate) first: u64,
}

/// Where in SQLite's write-ahead log the transaction of a record ends, so that reading can go on behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) salt: [u32; 2],
    /// Frames up to there.
    pub(crate) frame: u32,
    /// SQLite's running checksum after that frame.
    pub(crate) sum: [u32; 2],
}

/// A record whose last position is the result of a restore; what was before it stays restorable as long as the
/// log reaches back, so that the restore can be undone.
pub(crate) const RESTORE: u32 = 1;
/// A record that brings the log up to a database that was changed while the log did not watch.
pub(crate) const CAUGHT_UP: u32 = 2;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) flags: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// When the last of its transactions was committed.
    pub(crate) ms: u64,
    /// Pages of the database after it.
    pub(crate) pages: u32,
    /// Pages in it.
    pub(crate) count: u32,
    pub(crate) resume: Resume,
    /// From the start of the record.
    pub(crate) directory: u64,
    pub(crate) length: u64,
    pub(crate) directory_hash: u64,
}

/// One page of a record. The pages are in the order of the directory, without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryEntry {
    pub(crate) page: u32,
    /// As stored; the page size when it is not compressed.
    pub(crate) length: u32,
    /// Of the page itself, not of how it is stored.
    pub(crate) hash: u64,
}

/// What a finished segment holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) last: u64,
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
    pub(crate) records: u64,
    /// Bytes up to the end of the last record.
    pub(crate) end: u64,
}

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Fills a fixed buffer from the front.
struct Put<'a>(&'a mut [u8]);

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let (now, later) = std::mem::take(&mut self.0).split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        self.0 = later;
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }
}

fn sealed<const N: usize>(mut out: [u8; N]) -> [u8; N] {
    let sum = hash(&out[..N - 8]);
    out[N - 8..].copy_from_slice(&sum.to_le_bytes());
    out
}

fn is_sealed(bytes: &[u8]) -> bool {
    hash(&bytes[..bytes.len() - 8]) == u64_at(bytes, bytes.len() - 8)
}

/// Why a segment's header was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Damaged,
    Newer(u16),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut out = [0; SEGMENT_HEADER];
        let mut put = Put(&mut out);
        put.bytes(&SEGMENT_MAGIC);
        put.bytes(&VERSION.to_le_bytes());
        put.bytes(&[self.kind as u8, 0]);
        put.u32(self.page_size);
        put.bytes(&self.log);
        put.u64(self.first);
        sealed(out)
    }

    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER]) -> Result<Self, BadHeader> {
        if bytes[..8] != SEGMENT_MAGIC {
            return Err(BadHeader::Damaged);
        }
        // In every format it is as long and has its checksum there.
        if !is_sealed(bytes) {
            return Err(BadHeader::Damaged);
        }
        let version = u16::from_le_bytes(array(bytes, 8));
        if version > VERSION {
            return Err(BadHeader::Newer(version));
        }
        let kind = match bytes[10] {
            0 => Kind::Commits,
            1 => Kind::Merged,
            2 => Kind::Snapshot,
            _ => return Err(BadHeader::Damaged),
        };
        let page_size = u32_at(bytes, 12);
        if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
            return Err(BadHeader::Damaged);
        }
        Ok(Self { kind, page_size, log: array(bytes, 16), first: u64_at(bytes, 32) })
    }
}

impl RecordHeader {
    pub(crate) fn encode(&self) -> [u8; RECORD_HEADER] {
        let mut out = [0; RECORD_HEADER];
        let mut put = Put(&mut out);
        put.bytes(&RECORD_MAGIC);
        put.u32(self.flags);
        put.u64(self.first);
        put.u64(self.last);
        put.u64(self.ms);
        put.u32(self.pages);
        put.u32(self.count);
        let Resume { salt, frame, sum } = self.resume;
        for value in [salt[0], salt[1], frame, sum[0], sum[1], 0] {
            put.u32(value);
        }
        put.u64(self.directory);
        put.u64(self.length);
        put.u64(self.directory_hash);
        sealed(out)
    }

    /// `None` when there is no record, or not a whole one.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER]) -> Option<Self> {
        if bytes[..4] != RECORD_MAGIC || !is_sealed(bytes) {
            return None;
        }
        let word = |n: usize| u32_at(bytes, 40 + n * 4);
        Some(Self {
            flags: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            last: u64_at(bytes, 16),
            ms: u64_at(bytes, 24),
            pages: u32_at(bytes, 32),
            count: u32_at(bytes, 36),
            resume: Resume { salt: [word(0), word(1)], frame: word(2), sum: [word(3), word(4)] },
            directory: u64_at(bytes, 64),
            length: u64_at(bytes, 72),
            directory_hash: u64_at(bytes, 80),
        })
    }
}

impl DirectoryEntry {
    pub(crate) fn encode(&self) -> [u8; DIRECTORY_ENTRY] {
        let mut out = [0; DIRECTORY_ENTRY];
        let mut put = Put(&mut out);
        put.u32(self.page);
        put.u32(self.length);
        put.u64(self.hash);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self { page: u32_at(bytes, 0), length: u32_at(bytes, 4), hash: u64_at(bytes, 8) }
    }
}

impl Summary {
    pub(crate) fn encode(&self) -> [u8; TRAILER] {
        let mut out = [0; TRAILER];
        let mut put = Put(&mut out);
        put.bytes(&TRAILER_MAGIC);
        for value in [self.last, self.first_ms, self.last_ms, self.records, self.end] {
            put.u64(value);
        }
        sealed(out)
    }

    pub(crate) fn decode(bytes: &[u8; TRAILER]) -> Option<Self> {
        if bytes[..8] != TRAILER_MAGIC || !is_sealed(bytes) {
            return None;
        }
        let word = |n: usize| u64_at(bytes, 8 + n * 8);
        Some(Self { last: word(0), first_ms: word(1), last_ms: word(2), records: word(3), end: word(4) })
    }

    /// As it is after one more record.
    pub(crate) fn with(self, record: &RecordHeader) -> Self {
        Self {
            last: record.last,
            first_ms: if self.records == 0 { record.ms } else { self.first_ms },
            last_ms: record.ms,
            records: self.records + 1,
            end: self.end + record.length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_back_as_it_was_and_never_with_a_bit_turned() {
        let segment = SegmentHeader { kind: Kind::Merged, page_size: 4096, log: [7; 16], first: u64::MAX };
        let record = RecordHeader {
            flags: RESTORE,
            first: 1,
            last: 9,
            ms: 1_800_000_000_000,
            pages: 5,
            count: 3,
            resume: Resume { salt: [1, 2], frame: 3, sum: [4, 5] },
            directory: 96,
            length: 144,
            directory_hash: 11,
        };
        let summary = Summary { last: 9, first_ms: 1, last_ms: 2, records: 3, end: 4 };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        assert_eq!(RecordHeader::decode(&record.encode()), Some(record));
        assert_eq!(Summary::decode(&summary.encode()), Some(summary));
        for bit in 0..SEGMENT_HEADER * 8 {
            let mut bytes = segment.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
        for bit in 0..RECORD_HEADER * 8 {
            let mut bytes = record.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(RecordHeader::decode(&bytes).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut bytes =
            SegmentHeader { kind: Kind::Commits, page_size: 512, log: [0; 16], first: 1 }.encode();
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes), Err(BadHeader::Damaged));
        assert_eq!(SegmentHeader::decode(&sealed(bytes)), Err(BadHeader::Newer(2)));
    }
}
