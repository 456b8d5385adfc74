//! Following a log: what comes after a position, in order. This is all that a replica needs to know of its
//! primary, so that the two need not be on one machine.

use std::sync::Arc;
use std::time::Duration;

use super::error::Result;
use super::format::{RecordHeader, SEGMENT_HEADER};
use super::log::{Log, Part};
use super::segment::{Place, Reader, Segment};

/// A reader of a log that knows how far it is.
pub struct Follower {
    log: Arc<Log>,
    position: u64,
    /// The segment in which it is, and where the next record is.
    place: Option<(Arc<Segment>, Reader, u64)>,
}

/// What comes next.
pub enum Next {
    Change(Change),
    /// Nothing for now.
    Nothing,
    /// The log no longer reaches back to where this follower is: it has to begin with a whole copy.
    Gone,
    /// The database is closed.
    Closed,
}

/// Some commits, as one: every page that they changed, as it is after the last of them. Applied to the database
/// at any position from `after` to `last`, it gives the database at `last`.
pub struct Change {
    pub after: u64,
    pub last: u64,
    /// When the last of them was committed.
    pub ms: u64,
    /// Pages of the database after it.
    pub pages: u32,
    reader: Reader,
    directory: Vec<(u32, Place)>,
}

impl Follower {
    pub(crate) fn new(log: Arc<Log>, position: u64) -> Self {
        Self { log, position, place: None }
    }

    /// Of the last change that was given out.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What comes after [`Follower::position`], once there is something or `timeout` is over.
    pub fn next(&mut self, timeout: Duration) -> Result<Next> {
        if !self.log.wait(self.position, timeout) {
            return Ok(Next::Closed);
        }
        let Some(part) = self.log.locate(self.position + 1) else {
            let is_behind = self.log.head().position > self.position;
            return Ok(if is_behind { Next::Gone } else { Next::Nothing });
        };
        let Some(change) = self.read(&part)? else { return Ok(Next::Nothing) };
        self.position = change.last;
        Ok(Next::Change(change))
    }

    fn read(&mut self, part: &Part) -> Result<Option<Change>> {
        let (reader, mut offset) = match self.place.take() {
            Some((segment, reader, offset)) if Arc::ptr_eq(&segment, &part.segment) => (reader, offset),
            _ => (Reader::open(&part.segment.path)?, SEGMENT_HEADER as u64),
        };
        while offset < part.summary.end {
            let Some(entry) = reader.record(offset)? else { break };
            let RecordHeader { first, last, ms, pages, length, .. } = entry.record;
            offset += length;
            if last > self.position {
                let directory = reader.directory(&entry)?;
                let again = reader.again()?;
                self.place = Some((Arc::clone(&part.segment), reader, offset));
                return Ok(Some(Change { after: first - 1, last, ms, pages, reader: again, directory }));
            }
        }
        Ok(None)
    }
}

impl Change {
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
