//! Following a log: what comes after a mark, in order. [`Upstream`] is all that a replica knows of its primary, so
//! that the two need not be in one process, nor on one machine.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::error::{HistoryError, Result};
use super::format::{RecordHeader, SEGMENT_HEADER};
use super::log::{Log, Part};
use super::segment::{Entry, Place, Reader, Segment};

/// A commit of one log, told from the commit that has the same position in another log, or in this one after it
/// was put back to an older copy of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub position: u64,
    pub sum: u64,
}

impl Mark {
    fn of(log: [u8; 16], record: &RecordHeader) -> Self {
        // Where SQLite's own log ended is by its running checksum different for every commit.
        let mut bytes = log.to_vec();
        for word in record.resume.salt.into_iter().chain(record.resume.sum) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        Self { position: record.last, sum: xxh3_64_with_seed(&bytes, record.last) }
    }
}

/// What comes next.
pub enum Next {
    Change(Change),
    /// The log does not know the mark, or not any more: the whole database, to begin with anew.
    Whole(Change),
    /// Nothing for now.
    Nothing,
    /// The database is closed.
    Closed,
}

/// Where a replica gets changes.
pub trait Upstream: Send {
    /// What comes after `mark`, once there is something or `patience` is over. Without a mark, the whole database.
    fn after(&mut self, mark: Option<Mark>, patience: Duration) -> Result<Next>;
}

/// Some commits, as one: every page that they changed, as it is after the last of them. Applied to the database
/// at any position from `after` to that of `mark`, it gives the database at `mark`.
pub struct Change {
    pub after: u64,
    /// Of the last of them.
    pub mark: Mark,
    /// When the last of them was committed.
    pub ms: u64,
    /// Pages of the database after it.
    pub pages: u32,
    reader: Reader,
    directory: Vec<(u32, Place)>,
}

impl Change {
    /// The record at `entry` of a segment. Its directory is checked here, its pages when they are read.
    fn open(reader: Reader, entry: &Entry) -> Result<Self> {
        let RecordHeader { first, ms, pages, .. } = entry.record;
        let directory = reader.directory(entry)?;
        let mark = Mark::of(reader.header.log, &entry.record);
        Ok(Self { after: first.saturating_sub(1), mark, ms, pages, reader, directory })
    }

    pub fn page_size(&self) -> u32 {
        self.reader.header.page_size
    }

    /// Bytes of the changed pages.
    pub fn size(&self) -> u64 {
        self.directory.len() as u64 * u64::from(self.page_size())
    }

    /// Calls `each` with every changed page.
    pub fn read(&mut self, mut each: impl FnMut(u32, &[u8]) -> Result<()>) -> Result<()> {
        let mut bytes = Vec::new();
        for &(page, place) in &self.directory {
            self.reader.page(place, &mut bytes)?;
            each(page, &bytes)?;
        }
        Ok(())
    }
}

/// Reads the log of a database that is open in this process.
pub struct Follower {
    log: Arc<Log>,
    /// What was given out last, or found to be of this log.
    at: Option<Mark>,
    /// The segment in which it is, and where the next record is.
    place: Option<(Arc<Segment>, Reader, u64)>,
}

impl Follower {
    pub(crate) fn new(log: Arc<Log>) -> Self {
        Self { log, at: None, place: None }
    }

    /// The mark of the record, or the snapshot, that ends at `position`.
    pub fn mark_at(&self, position: u64) -> Result<Option<Mark>> {
        let picture = self.log.picture();
        let snapshot = picture.snapshots.into_iter().find(|part| part.summary.last == position);
        for part in self.log.locate(position).into_iter().chain(snapshot) {
            let entries = Reader::open(&part.segment.path)?.entries(part.summary.end)?;
            if let Some(entry) = entries.iter().find(|entry| entry.record.last == position) {
                return Ok(Some(Mark::of(self.log.id, &entry.record)));
            }
        }
        Ok(None)
    }

    /// The newest snapshot that is behind position `beyond`.
    fn whole(&mut self, beyond: u64) -> Result<Next> {
        let picture = self.log.picture();
        let part = picture.snapshots.last().filter(|part| part.summary.last > beyond);
        let part = part.ok_or_else(|| {
            HistoryError::damaged(&self.log.directory, format!("nothing comes after {beyond:x}"))
        })?;
        let reader = Reader::open(&part.segment.path)?;
        let entry = reader.entries(part.summary.end)?.pop();
        let entry =
            entry.ok_or_else(|| HistoryError::damaged(&part.segment.path, "the snapshot is empty"))?;
        let change = Change { after: 0, ..Change::open(reader, &entry)? };
        self.at = Some(change.mark);
        self.place = None;
        Ok(Next::Whole(change))
    }

    fn read(&mut self, part: &Part, position: u64) -> Result<Change> {
        let (reader, mut offset) = match self.place.take() {
            Some((segment, reader, offset)) if Arc::ptr_eq(&segment, &part.segment) => (reader, offset),
            _ => (Reader::open(&part.segment.path)?, SEGMENT_HEADER as u64),
        };
        while offset < part.summary.end {
            let Some(entry) = reader.record(offset)? else { break };
            offset += entry.record.length;
            if entry.record.last > position {
                let change = Change::open(reader.again(), &entry)?;
                self.place = Some((Arc::clone(&part.segment), reader, offset));
                return Ok(change);
            }
        }
        Err(HistoryError::damaged(&part.segment.path, format!("nothing comes after {position:x}")))
    }
}

impl Upstream for Follower {
    fn after(&mut self, mark: Option<Mark>, patience: Duration) -> Result<Next> {
        let Some(mark) = mark else { return self.whole(0) };
        if self.at != Some(mark) {
            if self.mark_at(mark.position)? != Some(mark) {
                return self.whole(0);
            }
            self.place = None;
            self.at = Some(mark);
        }
        if !self.log.wait(mark.position, patience) {
            return Ok(Next::Closed);
        }
        if self.log.head().position <= mark.position {
            return Ok(Next::Nothing);
        }
        // Over a gap, a snapshot leads. Not one that lies before it.
        let Some(part) = self.log.locate(mark.position + 1) else { return self.whole(mark.position) };
        let change = self.read(&part, mark.position)?;
        if change.after > mark.position {
            return self.whole(mark.position);
        }
        self.at = Some(change.mark);
        Ok(Next::Change(change))
    }
}
