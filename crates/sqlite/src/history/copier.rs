//! The thread that brings commits from SQLite's write-ahead log into the history, and looks after the history
//! when there is nothing to bring.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_base::{SharedClock, crash_point, on_one_line};

use super::builder::Builder;
use super::error::{HistoryError, Result};
use super::format::{CAUGHT_UP, Kind, RecordHeader, Resume, hash};
use super::log::{Head, Log, Part};
use super::options::Keep;
use super::pages;
use super::recorder::{Commit, LINGER, Shared};
use super::segment::Segment;
use super::upkeep::Upkeep;
use super::view::View;
use super::wal::{Transaction, Wal};

/// Between two looks at whether something in the log is old enough to be merged or dropped.
const UPKEEP: Duration = Duration::from_mins(1);
/// Before a failed attempt is repeated.
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) type Connect = Arc<dyn Fn() -> rusqlite::Result<Connection> + Send + Sync>;

pub(crate) struct Copier {
    log: Arc<Log>,
    wal_path: PathBuf,
    wal: Option<Wal>,
    resume: Resume,
    /// The segment that grows.
    growing: Option<Builder>,
    /// Of what was added to it and is not known to readers yet.
    head: Option<Head>,
    /// A segment was finished since the last upkeep.
    finished: bool,
    keep: Keep,
    clock: SharedClock,
    page: Vec<u8>,
}

impl Copier {
    pub(crate) fn new(
        log: Arc<Log>,
        growing: Option<Builder>,
        wal_path: &Path,
        keep: Keep,
        clock: SharedClock,
    ) -> Self {
        let resume = log.head().resume;
        let page = Vec::new();
        Self {
            log,
            wal_path: wal_path.to_owned(),
            wal: None,
            resume,
            growing,
            head: None,
            finished: false,
            keep,
            clock,
            page,
        }
    }

    /// Copies what a crash left in SQLite's log. Returns without having looked when the file no longer has the
    /// place where the log ends and `restarted` does not say that it was started over since.
    pub(crate) fn copy_tail(&mut self, restarted: bool) -> Result<bool> {
        let Some(mut wal) = Wal::open(&self.wal_path).map_err(HistoryError::at(&self.wal_path))? else {
            return Ok(restarted);
        };
        let is_there = wal.has(self.resume).map_err(HistoryError::at(&self.wal_path))?;
        if !is_there && !restarted {
            return Ok(false);
        }
        let after = if is_there { self.resume } else { wal.go_on(Resume::default()) };
        let tail = wal.transactions(after, None).map_err(HistoryError::at(&self.wal_path))?;
        let head = self.log.head();
        let written = wal.modified().map_err(HistoryError::at(&self.wal_path))?;
        let ms = written.min(self.clock.now().0).max(head.ms);
        for (position, transaction) in (head.position + 1..).zip(&tail) {
            self.record(&wal, transaction, &Commit { position, frame: transaction.end.frame, ms, flags: 0 })?;
        }
        self.wal = Some(wal);
        self.publish()?;
        self.sync()?;
        self.resume = tail.last().map_or(after, |transaction| transaction.end);
        Ok(true)
    }

    /// Goes on from the end of SQLite's log as it is now.
    pub(crate) fn skip_to_end(&mut self) -> Result<()> {
        self.wal = Wal::open(&self.wal_path).map_err(HistoryError::at(&self.wal_path))?;
        self.resume = match &mut self.wal {
            Some(wal) => wal.end().map_err(HistoryError::at(&self.wal_path))?,
            None => Resume::default(),
        };
        Ok(())
    }

    /// Adds a record of every page in which the database differs from the log. Nothing may be written meanwhile.
    pub(crate) fn absorb(&mut self, connection: &Connection, position: u64, ms: u64) -> Result<bool> {
        self.skip_to_end()?;
        let head = self.log.head();
        let picture = self.log.picture();
        // Without an unbroken log, everything differs.
        let view = View::at(&self.log, &picture, head.position, None).ok();
        let resume = self.resume;
        let builder = self.growing(head.position + 1)?;
        builder.begin()?;
        let mut differs = 0_u64;
        let pages = pages::read_all(connection, |page, bytes| {
            let known = view.as_ref().and_then(|view| view.places.get(&page));
            if known.is_none_or(|(_, place)| place.hash != hash(bytes)) {
                differs += 1;
                builder.page(page, bytes)?;
            }
            Ok(())
        })?;
        if differs == 0 && pages == head.pages {
            builder.abandon()?;
            return Ok(false);
        }
        let ms = ms.max(head.ms);
        let record = RecordHeader {
            flags: CAUGHT_UP,
            first: head.position + 1,
            last: position,
            ms,
            pages,
            resume,
            ..RecordHeader::default()
        };
        let record = builder.finish(record)?;
        self.head = Some(Head::of(&record));
        self.publish()?;
        self.sync()?;
        tracing::warn!(
            log = %self.log.directory.display(), pages = differs,
            "the database was changed while its history did not watch: single changes cannot be told apart"
        );
        Ok(true)
    }

    pub(crate) fn run(mut self, shared: &Shared, upkeep: &Upkeep, connect: &Connect) {
        let mut next_upkeep = Instant::now() + UPKEEP;
        let mut wait = Duration::ZERO;
        loop {
            let mut queue = shared.queue();
            if !wait.is_zero() {
                let urgent = |q: &super::recorder::Queue| {
                    q.sync_to > q.synced || q.stop || q.seal || q.absorb.is_some()
                };
                (queue, _) = shared
                    .work
                    .wait_timeout_while(queue, wait, |queue| !urgent(queue))
                    .unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = true;
            let until = next_upkeep.saturating_duration_since(Instant::now());
            (queue, _) = shared
                .work
                .wait_timeout_while(queue, until, |queue| {
                    queue.commits.is_empty()
                        && queue.sync_to <= queue.synced
                        && queue.absorb.is_none()
                        && !queue.seal
                        && !queue.stop
                })
                .unwrap_or_else(PoisonError::into_inner);
            queue.idle = false;
            let commits = queue.commits.clone();
            let (sync, seal) = (queue.sync_to > queue.synced, queue.seal);
            let (absorb, stop) = (queue.absorb, queue.stop);
            queue.busy = true;
            drop(queue);
            let outcome = self.turn(&commits, absorb, sync, connect);
            let outcome = outcome.and_then(|turn| if seal { self.seal().map(|()| turn) } else { Ok(turn) });
            let mut queue = shared.queue();
            queue.busy = false;
            queue.attempts += 1;
            let failed = outcome.is_err();
            match outcome {
                Ok(Turn { copied, synced }) => {
                    let count = queue.commits.len().min(commits.len());
                    queue.commits.drain(..count);
                    queue.copied = queue.copied.max(copied);
                    if synced {
                        queue.synced = queue.copied;
                    }
                    if absorb.is_some() {
                        queue.lost = false;
                    }
                    queue.seal &= !seal;
                    queue.failed = None;
                }
                Err(error) => {
                    let text = on_one_line(&error);
                    if queue.failed.is_none() {
                        tracing::error!(log = %self.log.directory.display(), error = %text, "the history cannot be written");
                    }
                    queue.failed = Some(text);
                }
            }
            queue.absorb = None;
            drop(queue);
            shared.done.notify_all();
            if stop {
                break;
            }
            wait = if failed { AGAIN } else { LINGER };
            if std::mem::take(&mut self.finished) || Instant::now() >= next_upkeep {
                next_upkeep = Instant::now() + UPKEEP;
                upkeep.start();
            }
        }
        upkeep.stop();
        self.log.close();
    }

    fn turn(
        &mut self,
        commits: &[Commit],
        absorb: Option<(u64, u64)>,
        sync: bool,
        connect: &Connect,
    ) -> Result<Turn> {
        let done = self.try_turn(commits, absorb, sync, connect);
        if done.is_err() {
            self.head = None;
            if self.growing.as_mut().is_some_and(|growing| growing.abandon().is_err()) {
                // What is behind its last record is cut off by whoever opens it next.
                self.growing = None;
            }
        }
        done
    }

    fn try_turn(
        &mut self,
        commits: &[Commit],
        absorb: Option<(u64, u64)>,
        sync: bool,
        connect: &Connect,
    ) -> Result<Turn> {
        let mut copied = self.copy(commits)?;
        if let Some((position, ms)) = absorb {
            let connection = connect()?;
            self.absorb(&connection, position, ms)?;
            copied = position;
        }
        let synced = sync || absorb.is_some();
        if synced {
            self.sync()?;
        }
        Ok(Turn { copied, synced })
    }

    /// The commits that the writer told of. Returns the position of the last.
    fn copy(&mut self, commits: &[Commit]) -> Result<u64> {
        let Some(last) = commits.last() else { return Ok(0) };
        let wal_path = self.wal_path.clone();
        let failed = || HistoryError::at(&wal_path);
        let mut wal = match self.wal.take() {
            Some(mut wal) => {
                wal.refresh().map_err(failed())?;
                wal
            }
            None => Wal::open(&self.wal_path)
                .map_err(failed())?
                .ok_or_else(|| HistoryError::damaged(&wal_path, "it is gone"))?,
        };
        let after = wal.go_on(self.resume);
        let transactions = wal.transactions(after, Some(last.frame)).map_err(failed())?;
        let agree = transactions.iter().map(|t| t.end.frame).eq(commits.iter().map(|c| c.frame));
        if !agree {
            return Err(HistoryError::damaged(&wal_path, "it does not have the commits that were made"));
        }
        for (transaction, commit) in transactions.iter().zip(commits) {
            self.record(&wal, transaction, commit)?;
        }
        self.wal = Some(wal);
        self.publish()?;
        self.resume = transactions.last().map_or(after, |transaction| transaction.end);
        Ok(last.position)
    }

    fn record(&mut self, wal: &Wal, transaction: &Transaction, commit: &Commit) -> Result<()> {
        let mut page = std::mem::take(&mut self.page);
        page.resize(self.log.page_size as usize, 0);
        let wal_path = self.wal_path.clone();
        let builder = self.growing(commit.position)?;
        builder.begin()?;
        for (&number, &frame) in transaction.frames.range(..=transaction.pages) {
            wal.page(frame, &mut page).map_err(HistoryError::at(&wal_path))?;
            builder.page(number, &page)?;
        }
        let record = RecordHeader {
            flags: commit.flags,
            first: commit.position,
            last: commit.position,
            ms: commit.ms,
            pages: transaction.pages,
            resume: transaction.end,
            ..RecordHeader::default()
        };
        let record = builder.finish(record)?;
        self.head = Some(Head::of(&record));
        self.page = page;
        Ok(())
    }

    /// The segment to which the record of `first` belongs.
    fn growing(&mut self, first: u64) -> Result<&mut Builder> {
        if let Some(growing) = self.growing.as_ref().map(Builder::summary)
            && growing.records > 0
            && (growing.end >= self.keep.segment_bytes || self.is_old(growing.first_ms))
        {
            self.publish()?;
            if let Some(full) = self.growing.take() {
                full.seal()?;
                self.finished = true;
            }
        }
        if self.growing.is_none() {
            let path = self.log.path(Kind::Commits, first);
            let mut builder = Builder::create(&path, &self.log.header(Kind::Commits, first))?;
            builder.sync()?;
            self.log.sync_directory()?;
            let segment = Arc::new(Segment::new(path, Kind::Commits, first));
            self.log.add(Part { segment, summary: builder.summary() });
            self.growing = Some(builder);
        }
        self.growing.as_mut().ok_or(HistoryError::Closed)
    }

    fn seal(&mut self) -> Result<()> {
        match self.growing.take() {
            Some(growing) if growing.summary().records > 0 => growing.seal().map(drop),
            growing => {
                self.growing = growing;
                Ok(())
            }
        }
    }

    /// Old enough that the segment should be finished, so that it can be merged when its time comes.
    fn is_old(&self, ms: u64) -> bool {
        let age = Duration::from_millis(self.clock.now().0.saturating_sub(ms));
        age > self.keep.exact / 4
    }

    /// Lets readers see what was added.
    fn publish(&mut self) -> Result<()> {
        if let Some(growing) = &mut self.growing {
            growing.flush()?;
            if let Some(head) = self.head.take() {
                self.log.grow(growing.summary(), head);
            }
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if let Some(growing) = &mut self.growing {
            growing.sync()?;
            crash_point("history-log-synced", &self.log.directory);
        }
        Ok(())
    }
}

struct Turn {
    copied: u64,
    synced: bool,
}
