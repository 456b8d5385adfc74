//! What keeps a log from growing for ever: merging single commits that are old, snapshots, and dropping what is
//! older than the retention. On a thread of its own, one at a time per log.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use selvedge_base::{SharedClock, crash_point, on_one_line};

use super::builder::Builder;
use super::error::{HistoryError, Result};
use super::format::{Kind, RESTORE, RecordHeader};
use super::log::{Head, Log, Part};
use super::options::Keep;
use super::segment::{Entry, Place, Reader, Segment};
use super::view::View;

/// Segments that are merged into one at most.
const RUN: usize = 64;

#[derive(Clone)]
pub(crate) struct Upkeep {
    log: Arc<Log>,
    keep: Keep,
    clock: SharedClock,
    running: Arc<Mutex<Option<JoinHandle<()>>>>,
    stop: Arc<AtomicBool>,
    /// One at a time, whoever asks.
    turn: Arc<Mutex<()>>,
    /// Segments that could not be merged because they are damaged.
    damaged: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Upkeep {
    pub(crate) fn new(log: Arc<Log>, keep: Keep, clock: SharedClock) -> Self {
        Self {
            log,
            keep,
            clock,
            running: Arc::default(),
            stop: Arc::default(),
            turn: Arc::default(),
            damaged: Arc::default(),
        }
    }

    /// Does what is due, in the background, unless that is under way.
    pub(crate) fn start(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let this = self.clone();
        let started = std::thread::Builder::new().name("history-upkeep".to_owned()).spawn(move || {
            match this.run() {
                Ok(()) | Err(HistoryError::Closed) => {}
                Err(error) => {
                    let error = on_one_line(&error);
                    tracing::error!(log = %this.log.directory.display(), error, "the history cannot be kept small: a check that repairs may help");
                }
            }
        });
        // Without a thread, the next start tries again.
        *running = started.ok();
    }

    /// Ends what is under way and waits for that.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the thread has already been reported.
            let _ = thread.join();
        }
    }

    fn go_on(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(HistoryError::Closed) } else { Ok(()) }
    }

    /// Does what is due.
    pub(crate) fn run(&self) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while self.merge()? {}
        self.snapshot()?;
        self.log.prune(self.before(self.keep.retention));
        Ok(())
    }

    fn before(&self, age: Duration) -> u64 {
        self.clock.now().0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }

    /// Merges the oldest single commits when they are old enough or too many. False when there are none such.
    fn merge(&self) -> Result<bool> {
        let picture = self.log.picture();
        let finished = picture.parts.len().saturating_sub(1);
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let single: Vec<&Part> = picture.parts[..finished]
            .iter()
            .filter(|part| part.segment.kind == Kind::Commits && part.summary.records > 0)
            .filter(|part| !damaged.contains(&part.segment.path))
            .collect();
        let mut bytes: u64 = single.iter().map(|part| part.summary.end).sum();
        let horizon = self.before(self.keep.exact);
        let mut run: Vec<&Part> = Vec::new();
        for part in single {
            let due = part.summary.last_ms <= horizon || bytes > self.keep.exact_bytes;
            let follows = run.last().is_none_or(|last| last.summary.last + 1 == part.segment.first);
            if !due || !follows || run.len() == RUN {
                break;
            }
            bytes -= part.summary.end;
            run.push(part);
        }
        if run.is_empty() {
            return Ok(false);
        }
        match self.merge_run(&run) {
            Err(HistoryError::Damaged { path, what }) => {
                tracing::error!(path = %path.display(), what, "a segment of a history is damaged");
                // The others are tried without the one; without knowing which, none of them again.
                let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
                if !damaged.insert(path) {
                    damaged.extend(run.iter().map(|part| part.segment.path.clone()));
                }
                Ok(true)
            }
            other => other.map(|()| true),
        }
    }

    fn merge_run(&self, run: &[&Part]) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let first = first.segment.first;
        let path = self.log.path(Kind::Merged, first);
        let temporary = path.with_extension("tmp");
        let mut builder = Builder::create(&temporary, &self.log.header(Kind::Merged, first))?;
        let mut readers: Vec<Reader> =
            run.iter().map(|part| Reader::open(&part.segment.path)).collect::<Result<_>>()?;
        let mut group = Group::default();
        let grain = u64::try_from(self.keep.grain.as_millis()).unwrap_or(u64::MAX).max(1);
        for index in 0..readers.len() {
            for entry in readers[index].entries(run[index].summary.end)? {
                self.go_on()?;
                if group.ends_before(&entry.record, grain) {
                    group.write(&mut readers, &mut builder)?;
                }
                let directory = readers[index].directory(&entry)?;
                group.add(index, &entry, directory);
            }
        }
        group.write(&mut readers, &mut builder)?;
        let merged_last = builder.summary().last;
        if merged_last != last.summary.last {
            return Err(HistoryError::damaged(&path, "the merged records end early"));
        }
        let part = self.put_in_place(builder, &temporary, path, Kind::Merged, first)?;
        crash_point("history-merged", &self.log.directory);
        self.log.replace(part);
        crash_point("history-merged-dropped", &self.log.directory);
        Ok(())
    }

    /// Makes a snapshot when the log has outgrown the last one.
    fn snapshot(&self) -> Result<()> {
        let picture = self.log.picture();
        let Some(last) = picture.snapshots.last() else { return Ok(()) };
        let since: u64 = picture
            .parts
            .iter()
            .filter(|part| part.summary.last > last.summary.last)
            .map(|part| part.summary.end)
            .sum();
        if since <= last.summary.end.max(self.keep.snapshot_bytes) {
            return Ok(());
        }
        self.snapshot_now()
    }

    /// Makes a snapshot of the newest position from what the log has.
    pub(crate) fn snapshot_now(&self) -> Result<()> {
        self.snapshot_of(self.log.head())
    }

    /// Makes a snapshot of a position at which a record ends, from what the log has.
    pub(crate) fn snapshot_at(&self, position: u64) -> Result<()> {
        let part = self.log.locate(position).ok_or(HistoryError::TooEarly)?;
        let entries = Reader::open(&part.segment.path)?.entries(part.summary.end)?;
        let entry = entries.iter().find(|entry| entry.record.last == position);
        self.snapshot_of(Head::of(&entry.ok_or(HistoryError::TooEarly)?.record))
    }

    /// Keeps everybody else from replacing segments.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot_of(&self, head: Head) -> Result<()> {
        let picture = self.log.picture();
        if picture.snapshots.iter().any(|part| part.summary.last == head.position) {
            return Ok(());
        }
        let mut view = View::at(&self.log, &picture, head.position, None)?;
        let path = self.log.path(Kind::Snapshot, head.position);
        let temporary = path.with_extension("tmp");
        let mut builder = Builder::create(&temporary, &self.log.header(Kind::Snapshot, head.position))?;
        builder.begin()?;
        let mut page = Vec::new();
        for (number, (index, place)) in view.places.clone() {
            self.go_on()?;
            // A snapshot is to stand alone, so what goes into it is checked.
            view.read(number, &mut page)?;
            builder.stored(number, place.hash, view.stored(index, place)?)?;
        }
        builder.finish(RecordHeader {
            first: head.position,
            last: head.position,
            ms: head.ms,
            pages: head.pages,
            resume: head.resume,
            ..RecordHeader::default()
        })?;
        let part = self.put_in_place(builder, &temporary, path, Kind::Snapshot, head.position)?;
        crash_point("history-snapshot", &self.log.directory);
        self.log.add_snapshot(part);
        Ok(())
    }

    fn put_in_place(
        &self,
        builder: Builder,
        temporary: &Path,
        path: PathBuf,
        kind: Kind,
        first: u64,
    ) -> Result<Part> {
        let summary = builder.seal()?;
        crash_point("history-upkeep-written", &self.log.directory);
        std::fs::rename(temporary, &path).map_err(HistoryError::at(&path))?;
        self.log.sync_directory()?;
        Ok(Part { segment: Arc::new(Segment::new(path, kind, first)), summary })
    }
}

/// Records that become one.
#[derive(Default)]
struct Group {
    record: Option<RecordHeader>,
    pages: BTreeMap<u32, (usize, Place)>,
}

impl Group {
    /// Whether the next record begins another group: it is of another time, or it is the result of a restore,
    /// which is undone by going back to what was before it.
    fn ends_before(&self, next: &RecordHeader, grain: u64) -> bool {
        let is_restore = |record: &RecordHeader| record.flags & RESTORE != 0;
        self.record.is_some_and(|record| {
            record.ms / grain != next.ms / grain || is_restore(next) || is_restore(&record)
        })
    }

    fn add(&mut self, index: usize, entry: &Entry, directory: Vec<(u32, Place)>) {
        let first = self.record.map_or(entry.record.first, |record| record.first);
        let flags = self.record.map_or(0, |record| record.flags) | entry.record.flags;
        self.record = Some(RecordHeader { flags, first, ..entry.record });
        drop(self.pages.split_off(&entry.record.pages.saturating_add(1)));
        self.pages.extend(directory.into_iter().map(|(page, place)| (page, (index, place))));
    }

    fn write(&mut self, readers: &mut [Reader], builder: &mut Builder) -> Result<()> {
        let Some(record) = self.record.take() else { return Ok(()) };
        builder.begin()?;
        let mut bytes = Vec::new();
        for (page, (index, place)) in std::mem::take(&mut self.pages) {
            readers[index].page(place, &mut bytes)?;
            builder.stored(page, place.hash, readers[index].stored(place)?)?;
        }
        builder.finish(record)?;
        builder.flush()
    }
}
