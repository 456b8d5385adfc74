//! A copy of a database that follows its log, a little behind, and answers reads.
//!
//! A thread applies what comes after the copy's position, as a transaction of the copy's own; the position is in
//! page 1 of the file ([`file`]), so it is on the disk exactly when the pages are. A copy that cannot go on, as it
//! is missing, damaged, of another log or too far behind, starts over from the newest snapshot ([`work`]).

mod file;
mod work;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use selvedge_base::SharedClock;
use tokio::sync::watch;

use super::error::{HistoryError, Result};
use super::follow::Upstream;
use crate::Options;
use crate::database::{Role, connect};
use crate::readers::Readers;

/// A follower with a file of its own. Dropping it ends it; the file stays and is brought up to date by the next.
#[derive(Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread and its owner share.
#[derive(Debug)]
struct Shared {
    readers: Readers,
    /// Applied. 0 until the file is a copy of the database, and again when it does not follow.
    applied: watch::Sender<u64>,
    /// Nothing that can be read from it is behind this.
    visible: AtomicU64,
    /// Milliseconds that a change waits before it is applied.
    lag: AtomicU64,
    /// It is to be made anew, as somebody could not read it.
    distrusted: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn publish(&self, position: u64) {
        self.visible.store(position, Ordering::SeqCst);
        self.applied.send_replace(position);
    }

    /// Nobody is to begin reading. Those who read still need to know what they may have seen.
    fn withdraw(&self) {
        self.applied.send_replace(0);
    }

    fn applied(&self) -> u64 {
        *self.applied.borrow()
    }
}

/// What was read from a copy.
#[derive(Debug)]
pub struct Seen<T> {
    pub value: T,
    /// Nothing that was read is behind this position.
    pub position: u64,
}

impl Replica {
    /// Starts a copy at `path`, which goes on with what is there if that is a copy of the same database. It is
    /// not to be read before [`Replica::position`] says so. Of `options`, what concerns connections holds for its
    /// readers.
    pub fn start(
        path: &Path,
        upstream: impl Upstream + 'static,
        options: Options,
        clock: SharedClock,
        lag: Duration,
    ) -> Result<Self> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(HistoryError::at(directory))?;
        let readers = Readers::new(options.readers, {
            let path = path.to_owned();
            move || {
                let mut reader = connect(&path, Role::Reader { recorded: false })?;
                options.prepare(&mut reader)?;
                Ok(reader)
            }
        });
        let shared = Arc::new(Shared {
            readers,
            applied: watch::Sender::new(0),
            visible: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            distrusted: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let work = work::Work::new(path, Arc::clone(&shared), clock);
        let thread = std::thread::Builder::new().name("replica".to_owned()).spawn(move || work.run(upstream));
        let thread = thread.map_err(HistoryError::at(path))?;
        let replica = Self { shared, thread: Mutex::new(Some(thread)) };
        replica.set_lag(lag);
        Ok(replica)
    }

    /// What it has applied; `None` while it is being brought up to date, or when it has stopped.
    pub fn position(&self) -> Option<u64> {
        Some(self.shared.applied()).filter(|position| *position > 0)
    }

    /// Lets changes wait this long, from when they were committed.
    pub fn set_lag(&self, lag: Duration) {
        self.shared.lag.store(u64::try_from(lag.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Waits until it has applied `position`. False when it does not follow.
    pub async fn reached(&self, position: u64) -> bool {
        self.shared
            .applied
            .subscribe()
            .wait_for(|&applied| applied == 0 || applied >= position)
            .await
            .is_ok_and(|applied| *applied > 0)
    }

    /// Removes the file of a copy that no replica has.
    pub fn remove(path: &Path) -> Result<()> {
        file::remove(path)
    }

    /// Runs a short read on the calling thread; `None` when the copy does not have `needed`.
    pub async fn read<T>(
        &self,
        needed: u64,
        job: impl FnOnce(&Connection) -> T,
    ) -> crate::Result<Option<Seen<T>>> {
        let shared = &self.shared;
        shared.readers.run_here(|connection| seen(shared, needed, connection, job)).await
    }

    /// Runs a read that may take long where it blocks nobody; `None` when the copy does not have `needed`.
    pub async fn read_long<T: Send + 'static>(
        &self,
        needed: u64,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> crate::Result<Option<Seen<T>>> {
        let shared = Arc::clone(&self.shared);
        let job = move |connection: &Connection| seen(&shared, needed, connection, job);
        self.shared.readers.run_apart(job).await
    }

    /// Ends it, and waits for who reads from it: nobody touches the file afterwards. Blocks.
    pub fn stop(&self) {
        self.end();
        while self.shared.readers.try_stop().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A panic of the thread has already been reported.
            let _ = thread.join();
        }
    }

    /// Makes it anew: a read found its file damaged.
    pub fn distrust(&self) {
        self.shared.distrusted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.end();
    }
}

/// A copy that starts over waits for its readers to end; whoever was on the way here meanwhile must look again
/// what there is.
fn seen<T>(
    shared: &Shared,
    needed: u64,
    connection: &Connection,
    job: impl FnOnce(&Connection) -> T,
) -> Option<Seen<T>> {
    let applied = shared.applied();
    if applied == 0 || applied < needed {
        return None;
    }
    let value = job(connection);
    Some(Seen { value, position: shared.visible.load(Ordering::SeqCst) })
}
