//! Which copy of the database answers a session.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_base::SharedClock;
use selvedge_sqlite::history::{Replica, Seen};
use selvedge_sqlite::{History, Options};

use crate::{Database, Replication, TravelError, Wait};

/// What `meta` calls the copies. Also how many there can be.
const NAMES: [&str; 8] = [
    "selvedge-replica-1",
    "selvedge-replica-2",
    "selvedge-replica-3",
    "selvedge-replica-4",
    "selvedge-replica-5",
    "selvedge-replica-6",
    "selvedge-replica-7",
    "selvedge-replica-8",
];
/// The most copies of a database beside the primary.
pub const MOST_REPLICAS: usize = NAMES.len();
/// All copies are on this machine.
const REGION: &str = "LOCAL";

/// Who answers, as `meta` tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) by: &'static str,
    pub(crate) primary: bool,
    /// Only of a database with replicas: nobody else has a region to be told from others.
    pub(crate) region: Option<&'static str>,
}

/// A copy that answers reads.
#[derive(Clone, Debug)]
pub(crate) enum Copy {
    Primary(selvedge_sqlite::Database, Served),
    Replica(Chosen),
}

/// A replica for one read.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    replica: Arc<Replica>,
    /// It must have this when the read begins.
    needed: u64,
    served: Served,
}

impl Chosen {
    pub(crate) fn distrust(&self) {
        self.replica.distrust();
    }
}

impl Copy {
    pub(crate) fn served(&self) -> Served {
        match self {
            Self::Primary(_, served) | Self::Replica(Chosen { served, .. }) => *served,
        }
    }

    /// `None` when a replica turned out not to have what it needs.
    pub(crate) async fn read<T>(
        &self,
        job: impl FnOnce(&Connection) -> T,
    ) -> selvedge_sqlite::Result<Option<Seen<T>>> {
        match self {
            Self::Primary(database, _) => database.read(job).await.map(everything).map(Some),
            Self::Replica(Chosen { replica, needed, .. }) => replica.read(*needed, job).await,
        }
    }

    /// As [`Copy::read`], where it may take long.
    pub(crate) async fn read_long<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> selvedge_sqlite::Result<Option<Seen<T>>> {
        match self {
            Self::Primary(database, _) => database.read_long(job).await.map(everything).map(Some),
            Self::Replica(Chosen { replica, needed, .. }) => replica.read_long(*needed, job).await,
        }
    }
}

/// The primary's bookmarks do not come from what was read.
fn everything<T>(value: T) -> Seen<T> {
    Seen { value, position: 0 }
}

/// How a replica is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// As `served_by` has it.
    pub name: &'static str,
    /// What it has; `None` while it is made or brought up to date.
    pub bookmark: Option<String>,
}

pub(crate) struct Replicas {
    now: Mutex<Now>,
    /// Held by who starts and ends copies: two must never have one file.
    changing: Mutex<()>,
    /// Sessions take turns.
    next: AtomicUsize,
    directory: PathBuf,
    options: Options,
    clock: SharedClock,
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("now", &self.now).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default)]
struct Now {
    all: Arc<[Arc<Replica>]>,
    replication: Replication,
}

impl Replicas {
    pub(crate) fn new(directory: PathBuf, options: Options, clock: SharedClock) -> Self {
        Self {
            now: Mutex::default(),
            changing: Mutex::default(),
            next: AtomicUsize::new(0),
            directory,
            options,
            clock,
        }
    }

    pub(crate) fn are_some(&self) -> bool {
        !self.now().all.is_empty()
    }

    pub(crate) fn primary(&self) -> Served {
        Served { by: "selvedge", primary: true, region: self.are_some().then_some(REGION) }
    }

    /// A replica that may answer the session `token`, once it may. `None` for the primary.
    pub(crate) async fn choose(
        &self,
        token: &str,
        position: impl FnOnce(&str) -> Option<u64>,
        history: Option<&Arc<History>>,
        until: Instant,
    ) -> Option<Chosen> {
        let Now { all, replication } = self.now().clone();
        let history = history.filter(|_| !all.is_empty())?;
        let needed = match token.trim() {
            "first-unconstrained" => 0,
            // Also what is no bookmark of this database: the primary has everything there is.
            bookmark => position(bookmark)?,
        };
        let (needed, patience) = match replication.wait {
            // A bookmark may be one ahead of everything, when the commit that it allowed for came to nothing.
            Wait::ForBookmark(patience) => (needed.min(history.visible()), replication.lag + patience),
            Wait::Never => (0, Duration::ZERO),
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..all.len()).map(|n| (turn + n) % all.len());
        let following = in_turn.filter_map(|index| all[index].position().map(|has| (index, has)));
        let following: Vec<(usize, u64)> = following.collect();
        let has_it = following.iter().find(|(_, has)| *has >= needed);
        let &(index, has) = has_it.or(following.first())?;
        let replica = Arc::clone(&all[index]);
        if has < needed {
            // The primary needs some of the time too.
            let left = until.saturating_duration_since(Instant::now()) / 2;
            let reached = tokio::time::timeout(patience.min(left), replica.reached(needed)).await;
            if !reached.unwrap_or(false) {
                return None;
            }
        }
        let served = Served { by: NAMES[index], primary: false, region: Some(REGION) };
        Some(Chosen { replica, needed, served })
    }

    fn path(&self, n: usize) -> PathBuf {
        self.directory.join(format!("{}.sqlite", n + 1))
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    /// Keeps as many copies beside the primary as `replication` says. Those that are there already stay, and the
    /// files of those that are too many are removed. Sessions read from them; everything else goes to the
    /// primary. Blocks for as long as it takes to end those that are too many.
    pub fn replicate(&self, replication: Replication) -> Result<(), TravelError> {
        let replicas = &self.shared().replicas;
        let _alone = replicas.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = replicas.now().all.to_vec();
        let wanted = replication.replicas.min(MOST_REPLICAS);
        let surplus = all.split_off(all.len().min(wanted));
        for replica in &all {
            replica.set_lag(replication.lag);
        }
        for n in all.len()..wanted {
            let upstream = self.storage().history().ok_or(TravelError::Off)?.follow();
            let clock = Arc::clone(&replicas.clock);
            let path = replicas.path(n);
            let replica = Replica::start(&path, upstream, replicas.options, clock, replication.lag)?;
            all.push(Arc::new(replica));
        }
        *replicas.now() = Now { all: all.into(), replication };
        for replica in surplus {
            replica.stop();
        }
        if replicas.directory.exists() {
            for n in wanted..MOST_REPLICAS {
                Replica::remove(&replicas.path(n))?;
            }
        }
        Ok(())
    }

    /// Ends the copies; their files stay.
    pub(crate) fn end_replicas(&self) {
        let replicas = &self.shared().replicas;
        let _alone = replicas.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *replicas.now()).all;
        for replica in all.iter() {
            replica.stop();
        }
    }

    /// How the copies are doing.
    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        let status = |(name, replica): (&&'static str, &Arc<Replica>)| ReplicaStatus {
            name,
            bookmark: replica.position().map(|position| self.shared().bookmarks.at(position)),
        };
        NAMES.iter().zip(self.shared().replicas.now().all.iter()).map(status).collect()
    }
}
