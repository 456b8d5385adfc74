//! The writer's side of the history: numbering commits, telling the copier of them, and checkpoints.
//!
//! A checkpoint lets SQLite write its log from the start again. So it comes only after the copier has everything
//! in the history and the history is on the disk: what a crash takes from the end of the history is still in
//! SQLite's own log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use selvedge_base::{SharedClock, crash_point};

use super::error::{HistoryError, Result};
use super::options::{HistoryOptions, Keep};
use super::stamp::{remove_stamp, write_stamp};
use crate::readers::Active;

/// Times as many frames as between checkpoints, after which writes do not wait for a history that cannot be
/// written.
const GIVE_UP: u32 = 16;

/// Times as many, after which a checkpoint waits for readers instead of leaving what they need: when there is always
/// one, SQLite's log would never be started over.
const FORCE: u32 = 16;
/// Times as many, after which readers that have lasted too long are stopped.
const EVICT: u32 = 64;
/// For which a checkpoint waits for readers at most.
const WAIT: Duration = Duration::from_secs(10);

/// One commit that the log may not have yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commit {
    pub(crate) position: u64,
    /// Frames of SQLite's log up to its end.
    pub(crate) frame: u32,
    pub(crate) ms: u64,
    pub(crate) flags: u32,
}

/// What writer, copier and readers share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    committed: AtomicU64,
    maybe: AtomicU64,
    queue: Mutex<Queue>,
    /// For the copier.
    pub(crate) work: Condvar,
    /// For those who wait for the copier.
    pub(crate) done: Condvar,
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact, and any of them can come together")]
pub(crate) struct Queue {
    pub(crate) commits: Vec<Commit>,
    /// In the log.
    pub(crate) copied: u64,
    /// In the log and on the disk.
    pub(crate) synced: u64,
    /// What somebody waits for to be on the disk.
    pub(crate) sync_to: u64,
    /// Why the last attempt failed.
    pub(crate) failed: Option<String>,
    /// Attempts so far.
    pub(crate) attempts: u64,
    /// The copier is at work.
    pub(crate) busy: bool,
    /// The copier waits to be woken.
    pub(crate) idle: bool,
    /// SQLite's log was started over without the history having it all.
    pub(crate) lost: bool,
    /// The history is to be brought up to the database, which stands still at this position.
    pub(crate) absorb: Option<(u64, u64)>,
    /// Somebody waits for the segment that grows to be finished.
    pub(crate) seal: bool,
    pub(crate) stop: bool,
}

/// Positions of a database that has a history.
impl Shared {
    pub(crate) fn at(position: u64) -> Self {
        let queue = Queue { copied: position, synced: position, ..Queue::default() };
        Self {
            committed: position.into(),
            maybe: position.into(),
            queue: Mutex::new(queue),
            ..Self::default()
        }
    }

    /// Of the last commit that was answered, or is about to be.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Nothing that can be read now is behind this position: that of the commit that is being made, if there is
    /// one.
    pub(crate) fn visible(&self) -> u64 {
        self.maybe.load(Ordering::SeqCst).max(self.committed())
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `position` is in the log.
    pub(crate) fn wait_copied(&self, position: u64) -> Result<()> {
        self.wait(|_| {}, |queue| queue.copied >= position)
    }

    /// Waits until `position` is in the log and on the disk.
    pub(crate) fn wait_synced(&self, position: u64) -> Result<()> {
        self.wait(|queue| queue.sync_to = queue.sync_to.max(position), |queue| queue.synced >= position)
    }

    /// Waits until no segment grows: the next commit begins another.
    pub(crate) fn wait_sealed(&self) -> Result<()> {
        self.wait(|queue| queue.seal = true, |queue| !queue.seal)
    }

    fn wait(&self, ask: impl FnOnce(&mut Queue), done: impl Fn(&Queue) -> bool) -> Result<()> {
        let mut queue = self.queue();
        ask(&mut queue);
        let attempts = queue.attempts;
        self.work.notify_one();
        loop {
            if done(&queue) {
                return Ok(());
            }
            if let (Some(why), true) = (&queue.failed, queue.attempts > attempts + 1) {
                return Err(HistoryError::Behind(why.clone()));
            }
            if queue.lost {
                return Err(HistoryError::Behind("it was given up until there is room again".to_owned()));
            }
            if queue.stop {
                return Err(HistoryError::Closed);
            }
            queue = self.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Belongs to the writer's thread.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    clock: SharedClock,
    /// Frames at the end of each commit that the connection made, as SQLite told.
    hooked: Arc<Mutex<Vec<u32>>>,
    last_ms: u64,
    position: u64,
    /// Frames in SQLite's log.
    frames: u32,
    /// Frames at which there is a checkpoint.
    due: u32,
    /// Frames between two checkpoints.
    checkpoint: u32,
    longest_read: Duration,
    /// Those that may last.
    readers: Arc<Active>,
    database: PathBuf,
    log: PathBuf,
    pub(crate) copier: Option<JoinHandle<()>>,
    /// Held until the end.
    pub(crate) lock: Option<File>,
}

impl Recorder {
    /// `ms` is when the newest record was made.
    pub(crate) fn new(shared: Arc<Shared>, options: &HistoryOptions, database: &Path, ms: u64) -> Self {
        let position = shared.committed();
        let Keep { checkpoint, longest_read, .. } = options.keep;
        Self {
            shared,
            clock: Arc::clone(&options.clock),
            hooked: Arc::default(),
            last_ms: ms,
            position,
            frames: 0,
            due: checkpoint,
            checkpoint,
            longest_read,
            readers: Arc::default(),
            database: database.to_owned(),
            log: options.directory.clone(),
            copier: None,
            lock: None,
        }
    }

    /// Watches the commits of `connection`, which runs on this recorder's thread.
    pub(crate) fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let hooked = Arc::clone(&self.hooked);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            hooked.lock().unwrap_or_else(PoisonError::into_inner).push(frames.unsigned_abs());
            Ok(())
        }))
    }

    pub(crate) fn before_commit(&self) {
        self.shared.maybe.store(self.position + 1, Ordering::SeqCst);
    }

    /// Numbers what was committed since the last call. It can be answered afterwards.
    pub(crate) fn after_commit(&mut self, flags: u32) {
        let frames = std::mem::take(&mut *self.hooked.lock().unwrap_or_else(PoisonError::into_inner));
        if !frames.is_empty() {
            self.last_ms = self.last_ms.max(self.clock.now().0);
            let mut queue = self.shared.queue();
            for frame in frames {
                self.position += 1;
                if frame < self.frames {
                    self.due = self.checkpoint;
                }
                self.frames = frame;
                if !queue.lost {
                    queue.commits.push(Commit { position: self.position, frame, ms: self.last_ms, flags });
                }
            }
            if queue.idle {
                queue.idle = false;
                self.shared.work.notify_one();
            }
        }
        self.shared.committed.store(self.position, Ordering::SeqCst);
        self.shared.maybe.store(self.position, Ordering::SeqCst);
    }

    /// The readers among which those are that last too long.
    pub(crate) fn mind(&mut self, readers: Arc<Active>) {
        self.readers = readers;
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Makes a checkpoint when it is time for one. Between transactions.
    pub(crate) fn checkpoint_if_due(&mut self, connection: &Connection) {
        if self.frames < self.due {
            return;
        }
        self.due = self.frames + self.checkpoint;
        if self.shared.queue().lost && !self.absorb() {
            self.run_checkpoint(connection, "PASSIVE", false);
            return;
        }
        match self.shared.wait_synced(self.position) {
            Ok(()) => self.move_over(connection),
            Err(error) if self.frames >= GIVE_UP * self.checkpoint => {
                tracing::error!(
                    database = %self.database.display(), %error,
                    "the history has a gap from here on: writes go on without it"
                );
                self.give_up();
                self.run_checkpoint(connection, "PASSIVE", false);
            }
            Err(error) => {
                self.due = self.frames + self.checkpoint / 4;
                tracing::warn!(database = %self.database.display(), %error, "a checkpoint waits for the history");
            }
        }
    }

    /// Makes a checkpoint although it is not time for one.
    pub(crate) fn checkpoint_now(&mut self, connection: &Connection) {
        self.due = 0;
        self.checkpoint_if_due(connection);
    }

    /// A checkpoint that gives way to readers, unless they have made SQLite's log too long.
    fn move_over(&mut self, connection: &Connection) {
        if self.frames < FORCE * self.checkpoint {
            return self.run_checkpoint(connection, "PASSIVE", true);
        }
        if self.frames >= EVICT * self.checkpoint {
            let stopped = self.readers.stop_older(self.longest_read);
            tracing::warn!(
                database = %self.database.display(), stopped,
                "reads that last too long were stopped, as SQLite's log has grown too large beside them"
            );
        }
        let wait = self.longest_read.min(WAIT);
        let _ = connection.busy_timeout(wait);
        self.run_checkpoint(connection, "RESTART", true);
        let _ = connection.busy_timeout(WAIT);
        // It is the next commit that tells whether it was started over.
        self.due = self.frames + FORCE * self.checkpoint;
    }

    /// The last thing: everything into the file, so that it can be copied alone.
    pub(crate) fn finish(mut self, connection: &Connection) {
        let whole = self.shared.wait_synced(self.position).is_ok();
        if whole {
            self.run_checkpoint(connection, "TRUNCATE", true);
        }
        self.shared.queue().stop = true;
        self.shared.work.notify_one();
        self.shared.done.notify_all();
        if let Some(copier) = self.copier.take() {
            // A panic of the thread has already been reported.
            let _ = copier.join();
        }
    }

    fn give_up(&mut self) {
        remove_stamp(&self.log);
        let mut queue = self.shared.queue();
        queue.lost = true;
        queue.commits.clear();
        // It may be reading what is overwritten next.
        while queue.busy {
            queue = self.shared.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Brings the history up to the database again. Nothing is written meanwhile.
    fn absorb(&mut self) -> bool {
        let mut queue = self.shared.queue();
        queue.absorb = Some((self.position, self.last_ms));
        self.shared.work.notify_one();
        while queue.absorb.is_some() && !queue.stop {
            queue = self.shared.done.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        !queue.lost
    }

    fn run_checkpoint(&mut self, connection: &Connection, mode: &str, stamp: bool) {
        crash_point("history-checkpoint", &self.database);
        let done = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        crash_point("history-checkpointed", &self.database);
        match done {
            Ok((in_log, copied)) if in_log == copied && stamp => {
                write_stamp(&self.database, &self.log, self.position);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(database = %self.database.display(), %error, "a checkpoint failed");
            }
        }
    }
}

/// How long the copier lets commits gather.
pub(crate) const LINGER: Duration = Duration::from_millis(2);
