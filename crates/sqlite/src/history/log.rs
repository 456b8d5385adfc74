//! The log of one database: which segments there are, and what lies where.
//!
//! Segments of commits and of merged commits follow each other without a gap; a snapshot stands beside them for
//! everything up to its position. The newest segment of commits may still grow.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::builder::Builder;
use super::error::{HistoryError, Result};
use super::format::{Kind, RecordHeader, Resume, SegmentHeader, Summary, TRAILER};
use super::segment::{Reader, Segment};

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

/// A log that was found on disk.
pub(crate) struct Loaded {
    pub(crate) log: Log,
    /// The segment that was being written, to go on with.
    pub(crate) growing: Option<Builder>,
}

impl Log {
    /// A new log that begins with the snapshot at `base`.
    pub(crate) fn begin(directory: &Path, header: &SegmentHeader, base: Part, head: Head) -> Self {
        let picture = Picture { snapshots: vec![base], parts: Vec::new() };
        Self::over(directory, header, picture, head)
    }

    fn over(directory: &Path, header: &SegmentHeader, picture: Picture, head: Head) -> Self {
        Self {
            directory: directory.to_owned(),
            id: header.log,
            page_size: header.page_size,
            state: Mutex::new(State { picture, head, closed: false }),
            grew: Condvar::new(),
        }
    }

    /// Reads what is in `directory`; `None` when there is no log.
    pub(crate) fn load(directory: &Path) -> Result<Option<Loaded>> {
        let mut found = Vec::new();
        let files = match std::fs::read_dir(directory) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HistoryError::at(directory)(error)),
        };
        for file in files {
            let path = file.map_err(HistoryError::at(directory))?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("log" | "merged" | "snapshot") => found.push(path),
                Some("tmp") => std::fs::remove_file(&path).map_err(HistoryError::at(&path))?,
                _ => {}
            }
        }
        found.sort();
        let mut picture = Picture::default();
        let mut header = None;
        let mut growing = None;
        for path in found {
            let mut reader = match Reader::open(&path) {
                Ok(reader) => reader,
                // Nothing of it was ever in use: a segment's header is synced with its first records.
                Err(HistoryError::Damaged { .. }) if is_blank(&path) => {
                    std::fs::remove_file(&path).map_err(HistoryError::at(&path))?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let this = reader.header;
            let of_log = *header.get_or_insert(this);
            if this.log != of_log.log || this.page_size != of_log.page_size {
                return Err(HistoryError::damaged(&path, "it belongs to another log"));
            }
            let segment = Arc::new(Segment::new(path.clone(), this.kind, this.first));
            let summary = if let Some(summary) = reader.summary()? {
                summary
            } else {
                let (summary, _) = reader.recover()?;
                let length = std::fs::metadata(&path).map_err(HistoryError::at(&path))?.len();
                if length > summary.end {
                    let dropped = length - summary.end;
                    tracing::info!(path = %path.display(), dropped, "the end of a log was not whole");
                }
                growing = Some((path, this, summary));
                summary
            };
            let part = Part { segment, summary };
            if this.kind == Kind::Snapshot { &mut picture.snapshots } else { &mut picture.parts }.push(part);
        }
        let Some(header) = header else { return Ok(None) };
        picture.drop_covered();
        let Some(head) = picture.head()? else {
            return Err(HistoryError::damaged(directory, "it has no snapshot to begin with"));
        };
        let newest = picture.parts.last().map(|part| part.segment.path.clone());
        let growing = match growing {
            Some((path, header, summary)) if newest.as_ref() == Some(&path) => {
                Some(Builder::resume(&path, &header, summary)?)
            }
            _ => None,
        };
        Ok(Some(Loaded { log: Self::over(directory, &header, picture, head), growing }))
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
    fn drop_covered(&mut self) {
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

    /// The newest record.
    fn head(&self) -> Result<Option<Head>> {
        let parts = self.parts.iter().rev().find(|part| part.summary.records > 0);
        let snapshot = self.snapshots.last();
        let newest = match (parts, snapshot) {
            (_, None) => return Ok(None),
            (Some(part), Some(snapshot)) if part.summary.last >= snapshot.summary.last => part,
            (_, Some(snapshot)) => snapshot,
        };
        let entries = Reader::open(&newest.segment.path)?.entries(newest.summary.end)?;
        Ok(entries.last().map(|entry| Head::of(&entry.record)))
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.parts.iter().chain(&self.snapshots).map(|part| part.summary.end + TRAILER as u64).sum()
    }
}

pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    File::open(directory).and_then(|file| file.sync_all()).map_err(HistoryError::at(directory))
}

/// True for a file whose contents a power cut kept from the disk.
fn is_blank(path: &Path) -> bool {
    let length = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
    length < super::format::SEGMENT_HEADER as u64
        || std::fs::read(path).is_ok_and(|bytes| bytes.iter().take(64).all(|&b| b == 0))
}
