//! The history of a database: every commit's changed pages, in a log beside it.
//!
//! The writer commits as ever; SQLite's write-ahead log is what makes a commit durable. A thread copies the pages
//! of each commit from there to the log ([`recorder`], [`copier`]). The log can say what the database was at any
//! commit it still knows one by one, and at one moment per grain further back ([`Keep`]).
//!
//! A *position* is the number of a commit. Positions only rise, also through restores, restarts and a lost log.

mod aside;
mod builder;
mod check;
mod copier;
mod error;
mod follow;
mod format;
mod load;
mod log;
mod opening;
mod options;
mod output;
mod pages;
mod recorder;
mod replica;
mod report;
mod restore;
mod salvage;
mod segment;
mod stamp;
mod upkeep;
mod view;
mod wal;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub use check::mend_first_page;
pub use error::HistoryError;
pub use follow::{Change, Follower, Mark, Next, Upstream};
pub use options::{HistoryOptions, Keep};
pub use replica::{Replica, Seen};
pub use report::{CheckReport, Lost, Problem, ProblemKind};
pub use restore::Restored;
pub use view::Point;

pub(crate) use copier::Connect;
pub(crate) use opening::{Before, Connections, Opening};
pub(crate) use recorder::Recorder;

use error::Result;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::Database;

/// Answers questions about a database's past. What reads the log blocks, on the disk and on the thread that
/// writes it.
pub struct History {
    log: Arc<log::Log>,
    shared: Arc<recorder::Shared>,
    upkeep: upkeep::Upkeep,
    connect_writer: Connect,
    database: PathBuf,
    /// What was found when it was opened, until a check tells of it.
    found: Mutex<Vec<Problem>>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("log", &self.log.directory).finish_non_exhaustive()
    }
}

/// What there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The oldest moment that can be restored.
    pub oldest: Point,
    pub newest: Point,
    /// Bytes on disk.
    pub bytes: u64,
    pub snapshots: usize,
    /// Segments of single commits.
    pub segments: usize,
    /// Segments of merged commits.
    pub merged: usize,
}

impl History {
    /// Of the log, in which a database goes on for as long as its log is not lost. A fork has another one.
    pub fn id(&self) -> [u8; 16] {
        self.log.id
    }

    /// Goes with a position of this log, and with no other.
    pub fn mark(&self, position: u64) -> u128 {
        xxh3_128_with_seed(&self.log.id, position)
    }

    /// Of the last commit that was answered, or is about to be. Never blocks.
    pub fn position(&self) -> u64 {
        self.shared.committed()
    }

    /// Nothing that can be read now is behind this position. It may be one too many while a commit is under way.
    /// Never blocks.
    pub fn visible(&self) -> u64 {
        self.shared.visible()
    }

    /// The last restorable moment that is not behind `position`.
    pub fn at_or_before(&self, position: u64) -> Result<Point> {
        self.catch_up()?;
        self.log.picture().at_or_before(position)
    }

    /// The last restorable moment that was not after `ms` (since 1970).
    pub fn at_time(&self, ms: u64) -> Result<Point> {
        self.catch_up()?;
        self.log.picture().at_time(ms)
    }

    pub fn extent(&self) -> Result<Extent> {
        self.catch_up()?;
        let picture = self.log.picture();
        let head = self.log.head();
        let count = |kind| picture.parts.iter().filter(|part| part.segment.kind == kind).count();
        Ok(Extent {
            oldest: picture.oldest()?,
            newest: Point { position: head.position, ms: head.ms },
            bytes: picture.bytes(),
            snapshots: picture.snapshots.len(),
            segments: count(format::Kind::Commits),
            merged: count(format::Kind::Merged),
        })
    }

    /// Gives out what the log has and what comes to it.
    pub fn follow(&self) -> Follower {
        Follower::new(Arc::clone(&self.log))
    }

    /// Merges, snapshots and drops what is due, at once instead of when there is time.
    pub fn tidy(&self) -> Result<()> {
        self.catch_up()?;
        self.upkeep.run()
    }

    /// Waits until the log has everything that was answered before.
    pub fn catch_up(&self) -> Result<()> {
        self.shared.wait_copied(self.shared.committed())
    }
}

impl Database {
    /// Makes the database what it was at the last restorable moment that is not behind `position`. The restore is
    /// a commit like any other, so it can be undone in the same way.
    pub async fn restore(&self, position: u64) -> Result<Restored> {
        let history = Arc::clone(self.history().ok_or(HistoryError::Off)?);
        let restored = self.apart(move |writer, recorder| {
            let recorder = recorder.ok_or(HistoryError::Off)?;
            recorder.restore(writer, &history.log, &history.connect_writer, position)
        });
        restored.await.map_err(|_| HistoryError::Closed)?
    }

    /// Rebuilds the file without its free pages: SQLite's `VACUUM`, in one commit like any other. It needs room for
    /// two more copies of the database, and writers wait for it.
    pub async fn vacuum(&self) -> Result<()> {
        let history = Arc::clone(self.history().ok_or(HistoryError::Off)?);
        let vacuumed = self.apart(move |writer, recorder| {
            let recorder = recorder.ok_or(HistoryError::Off)?;
            // The writer's is under the policy for what users write.
            let mut connection = (history.connect_writer)()?;
            recorder.watch(&mut connection)?;
            recorder.before_commit();
            let done = connection.execute_batch("VACUUM");
            recorder.after_commit(0);
            done?;
            // The file itself is cut off by a checkpoint.
            recorder.checkpoint_now(writer);
            Ok(())
        });
        vacuumed.await.map_err(|_| HistoryError::Closed)?
    }
}
