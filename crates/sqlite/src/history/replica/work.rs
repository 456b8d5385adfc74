//! The thread of a replica.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;
use selvedge_base::{SharedClock, on_one_line};

use super::super::error::{HistoryError, Result};
use super::super::follow::{Change, Next, Upstream};
use super::Shared;
use super::file::CopyFile;

/// How long the thread sleeps at most before it looks whether it is to end.
const GLANCE: Duration = Duration::from_millis(50);
/// Changes, and bytes of them, that are applied in one transaction at most.
const TOGETHER: usize = 256;
const TOGETHER_BYTES: u64 = 16 << 20;
/// Before a replica that failed tries again, times the failures so far.
const AGAIN: Duration = Duration::from_millis(500);
const MOST_FAILURES: u32 = 60;

pub(super) struct Work {
    path: PathBuf,
    shared: Arc<Shared>,
    clock: SharedClock,
}

/// What was gathered to be applied.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    whole: Option<Change>,
    /// There is no more that is old enough.
    is_all: bool,
}

impl Work {
    pub(super) fn new(path: &Path, shared: Arc<Shared>, clock: SharedClock) -> Self {
        Self { path: path.to_owned(), shared, clock }
    }

    /// Until it is told to stop, or the database is closed. What goes wrong is tried again.
    pub(super) fn run(self, mut upstream: impl Upstream) {
        let mut failures = 0;
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.follow(&mut upstream, &mut failures) {
                Ok(()) | Err(HistoryError::Closed) => break,
                Err(error) => {
                    self.shared.withdraw();
                    if is_of_the_file(&error) {
                        self.shared.distrusted.store(true, Ordering::Relaxed);
                    }
                    let text = on_one_line(&error);
                    tracing::error!(replica = %self.path.display(), error = text, failures, "a replica failed");
                    failures = (failures + 1).min(MOST_FAILURES);
                }
            }
            let until = Instant::now() + AGAIN * failures;
            while Instant::now() < until && self.go_on().is_ok() {
                std::thread::sleep(GLANCE);
            }
        }
        self.shared.withdraw();
    }

    fn follow(&self, upstream: &mut dyn Upstream, failures: &mut u32) -> Result<()> {
        let mut file = if self.shared.distrusted.swap(false, Ordering::Relaxed) {
            None
        } else {
            CopyFile::open(&self.path).unwrap_or_else(|error| {
                tracing::warn!(replica = %self.path.display(), error = on_one_line(&error), "it is made anew");
                None
            })
        };
        let mut later = None;
        loop {
            self.go_on()?;
            let Some(copy) = &mut file else {
                match upstream.after(None, Duration::ZERO)? {
                    Next::Whole(whole) => file = Some(self.start_over(whole)?),
                    Next::Closed => return Ok(()),
                    Next::Change(_) | Next::Nothing => {
                        return Err(HistoryError::damaged(&self.path, "there is nothing to begin with"));
                    }
                }
                continue;
            };
            let mut batch = self.gather(upstream, copy, &mut later)?;
            if !batch.changes.is_empty() {
                copy.apply(&mut batch.changes, |position| {
                    self.shared.visible.store(position, Ordering::SeqCst);
                })?;
                *failures = 0;
            }
            // What is far behind is not shown before it has come as close as it is to be.
            if batch.is_all || self.shared.applied() > 0 {
                let position = copy.mark().position;
                if self.shared.applied() != position {
                    self.shared.publish(position);
                }
            }
            if let Some(whole) = batch.whole {
                later = None;
                // The connection goes before the file does.
                drop(file.take());
                file = Some(self.start_over(whole)?);
            } else if self.shared.distrusted.load(Ordering::Relaxed) {
                return Err(HistoryError::damaged(&self.path, "a read found that"));
            }
        }
    }

    /// Takes what has come and is old enough. What is not yet is left in `later`.
    fn gather(
        &self,
        upstream: &mut dyn Upstream,
        copy: &CopyFile,
        later: &mut Option<Change>,
    ) -> Result<Batch> {
        let mut batch = Batch::default();
        let (mut mark, mut size) = (copy.mark(), 0);
        while batch.changes.len() < TOGETHER && size < TOGETHER_BYTES {
            let is_idle = batch.changes.is_empty() && self.shared.applied() > 0;
            let next = match later.take() {
                Some(change) => Next::Change(change),
                None => upstream.after(Some(mark), if is_idle { GLANCE } else { Duration::ZERO })?,
            };
            match next {
                Next::Change(change) if self.is_due(&change) => {
                    mark = change.mark;
                    size += change.size();
                    batch.changes.push(change);
                }
                Next::Change(change) => {
                    *later = Some(change);
                    if is_idle {
                        std::thread::sleep(self.rest());
                    }
                    batch.is_all = true;
                    break;
                }
                Next::Nothing => {
                    batch.is_all = true;
                    break;
                }
                Next::Whole(whole) => {
                    batch.whole = Some(whole);
                    break;
                }
                Next::Closed => return Err(HistoryError::Closed),
            }
        }
        Ok(batch)
    }

    fn is_due(&self, change: &Change) -> bool {
        let (now, lag) = (self.clock.now().0, self.shared.lag.load(Ordering::Relaxed));
        // The age of what comes from the future, as a clock was put back, is not known: it is not waited for.
        lag == 0 || now < change.ms || now - change.ms >= lag
    }

    /// Between two looks at a change that has to wait: short beside the lag.
    fn rest(&self) -> Duration {
        Duration::from_millis((self.shared.lag.load(Ordering::Relaxed) / 10).clamp(1, 20))
    }

    /// Once nobody reads it any more.
    fn start_over(&self, whole: Change) -> Result<CopyFile> {
        self.shared.withdraw();
        let _stopped = loop {
            self.go_on()?;
            match self.shared.readers.try_stop() {
                Some(stopped) => break stopped,
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        CopyFile::replace(&self.path, whole)
    }

    fn go_on(&self) -> Result<()> {
        if self.shared.stop.load(Ordering::Relaxed) { Err(HistoryError::Closed) } else { Ok(()) }
    }
}

/// Whether it is the copy itself that is not usable, and not the way to it or what it is made of.
fn is_of_the_file(error: &HistoryError) -> bool {
    let HistoryError::Database(error) = error else { return false };
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::CannotOpen)
    )
}
