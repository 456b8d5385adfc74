//! The log of one database: which segments there are, and what lies where.
//!
//! Segments of commits and of merged commits follow each other without a gap; a snapshot stands beside them for
//! everything up to its position. The newest segment of commits may still grow.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{HistoryError, Result};
use super::format::{Kind, RecordHeader, Resume, SegmentHeader, Summary, TRAILER};
use super::segment::Segment;
use super::view::Point;

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    pub(crate) summary: Summary,
}

/// The newest record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    pub(crate) position: u64,
    pub(crate) ms: u64,
    /// Of the database.
    pub(crate) pages: u32,
    pub(crate) resume: Resume,
}

impl Head {
    pub(crate) fn of(record: &RecordHeader) -> Self {
        Self { position: record.last, ms: record.ms, pages: record.pages, resume: record.resume }
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) directory: PathBuf,
    pub(crate) id: [u8; 16],
    pub(crate) page_size: u32,
    state: Mutex<State>,
    grew: Condvar,
}

#[derive(Debug)]
struct State {
    picture: Picture,
    head: Head,
    closed: bool,
}

/// What the log had at one moment. Its files stay as long as it does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    pub(crate) snapshots: Vec<Part>,
    pub(crate) parts: Vec<Part>,
}

impl Log {
    /// A new log that begins with the snapshot at `base`.
    pub(crate) fn begin(directory: &Path, header: &SegmentHeader, base: Part, head: Head) -> Self {
        let picture = Picture { snapshots: vec![base], parts: Vec::new() };
        Self::over(directory, header, picture, head)
    }

    pub(crate) fn over(directory: &Path, header: &SegmentHeader, picture: Picture, head: Head) -> Self {
        Self {
            directory: directory.to_owned(),
            id: header.log,
            page_size: header.page_size,
            state: Mutex::new(State { picture, head, closed: false }),
            grew: Condvar::new(),
        }
    }

    pub(crate) fn head(&self) -> Head {
        self.state().head
    }

    pub(crate) fn picture(&self) -> Picture {
        self.state().picture.clone()
    }

    pub(crate) fn header(&self, kind: Kind, first: u64) -> SegmentHeader {
        SegmentHeader { kind, page_size: self.page_size, log: self.id, first }
    }

    pub(crate) fn path(&self, kind: Kind, first: u64) -> PathBuf {
        self.directory.join(Segment::file_name(kind, first))
    }

    /// Makes the file's name last.
    pub(crate) fn sync_directory(&self) -> Result<()> {
        sync_directory(&self.directory)
    }

    /// A new segment of commits has been begun.
    pub(crate) fn add(&self, part: Part) {
        self.state().picture.parts.push(part);
    }

    pub(crate) fn add_snapshot(&self, part: Part) {
        let mut state = self.state();
        state.picture.snapshots.push(part);
        state.picture.snapshots.sort_by_key(|part| part.summary.last);
    }

    /// Before another is made of the same position.
    pub(crate) fn drop_snapshot(&self, position: u64) {
        self.state().picture.snapshots.retain(|part| part.summary.last != position);
    }

    /// Records were added to the newest segment.
    pub(crate) fn grow(&self, summary: Summary, head: Head) {
        let mut state = self.state();
        if let Some(part) = state.picture.parts.last_mut() {
            part.summary = summary;
        }
        state.head = head;
        drop(state);
        self.grew.notify_all();
    }

    /// Puts `merged` in the place of the parts that it was made of.
    pub(crate) fn replace(&self, merged: Part) {
        let mut state = self.state();
        let inside = |part: &Part| {
            part.segment.kind == Kind::Commits
                && part.summary.records > 0
                && part.segment.first >= merged.segment.first
                && part.summary.last <= merged.summary.last
        };
        let at = state.picture.parts.iter().position(inside).unwrap_or(0);
        for part in state.picture.parts.extract_if(.., |part| inside(part)) {
            part.segment.doom();
        }
        state.picture.parts.insert(at, merged);
    }

    /// Puts `parts` in the place of one that is damaged, whose file is somewhere else by now.
    pub(crate) fn exchange(&self, damaged: &Part, parts: Vec<Part>) {
        let mut state = self.state();
        state.picture.remove(damaged);
        for part in parts {
            state.picture.add(part);
        }
    }

    /// Drops what lies before the newest snapshot that is not newer than `ms`.
    pub(crate) fn prune(&self, ms: u64) {
        let mut state = self.state();
        let Some(keep) = state.picture.snapshots.iter().rposition(|part| part.summary.last_ms <= ms) else {
            return;
        };
        let base = state.picture.snapshots[keep].summary.last;
        let snapshots: Vec<Part> = state.picture.snapshots.drain(..keep).collect();
        // The newest is the one that grows.
        let finished = state.picture.parts.len().saturating_sub(1);
        let parts = state.picture.parts.extract_if(..finished, |part| part.summary.last <= base);
        let parts: Vec<Part> = parts.collect();
        drop(state);
        for part in snapshots.iter().chain(&parts) {
            part.segment.doom();
        }
    }

    /// Waits until the newest record is behind `position` or `timeout` is over. False when the log is closed.
    pub(crate) fn wait(&self, position: u64, timeout: Duration) -> bool {
        let state = self.state();
        let waiting = self
            .grew
            .wait_timeout_while(state, timeout, |state| state.head.position <= position && !state.closed);
        !waiting.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// The part that has the record of `position`.
    pub(crate) fn locate(&self, position: u64) -> Option<Part> {
        let state = self.state();
        let at = state.picture.parts.partition_point(|part| part.segment.first <= position).checked_sub(1)?;
        Some(state.picture.parts[at].clone()).filter(|part| part.summary.last >= position)
    }

    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.grew.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Picture {
    /// A merge was cut short by a crash after its result had been named and before what it replaced was gone.
    pub(crate) fn drop_covered(&mut self) {
        self.parts.sort_by_key(|part| (part.segment.first, std::cmp::Reverse(part.segment.kind)));
        let mut covered = None;
        self.parts.retain(|part| {
            let inside = covered.is_some_and(|last| part.summary.last <= last);
            if inside {
                part.segment.doom();
            } else if part.segment.kind == Kind::Merged {
                covered = Some(part.summary.last);
            }
            !inside
        });
        self.snapshots.sort_by_key(|part| part.summary.last);
    }

    pub(crate) fn add(&mut self, part: Part) {
        if part.segment.kind == Kind::Snapshot {
            self.snapshots.push(part);
            self.snapshots.sort_by_key(|part| part.summary.last);
        } else {
            self.parts.push(part);
            self.parts.sort_by_key(|part| (part.segment.first, std::cmp::Reverse(part.segment.kind)));
        }
    }

    pub(crate) fn remove(&mut self, part: &Part) {
        let others = |other: &Part| !Arc::ptr_eq(&other.segment, &part.segment);
        self.parts.retain(others);
        self.snapshots.retain(others);
    }

    /// What has the newest record.
    pub(crate) fn newest(&self) -> Option<&Part> {
        let parts = self.parts.iter().rev().find(|part| part.summary.records > 0);
        match (parts, self.snapshots.last()) {
            (Some(part), Some(snapshot)) if part.summary.last < snapshot.summary.last => Some(snapshot),
            (part, snapshot) => part.or(snapshot),
        }
    }

    /// The positions that can be reached from a snapshot, one record after the other: first and last of each
    /// unbroken stretch, and when they were.
    pub(crate) fn stretches(&self) -> Vec<(Point, Point)> {
        let mut stretches: Vec<(Point, Point)> = Vec::new();
        for snapshot in &self.snapshots {
            let start = Point { position: snapshot.summary.last, ms: snapshot.summary.last_ms };
            if let Some((_, end)) = stretches.last_mut() {
                if start.position <= end.position {
                    continue;
                }
                if start.position == end.position + 1 {
                    *end = start;
                }
            }
            let mut end = start;
            for part in self.parts.iter().filter(|part| part.summary.records > 0) {
                if part.segment.first <= end.position + 1 && part.summary.last > end.position {
                    end = Point { position: part.summary.last, ms: part.summary.last_ms };
                }
            }
            match stretches.last_mut() {
                Some((_, last)) if last.position == start.position => *last = end,
                _ => stretches.push((start, end)),
            }
        }
        stretches
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().chain(&self.snapshots).map(|part| part.summary.end + TRAILER as u64).sum()
    }
}

pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(HistoryError::at(directory))
}
