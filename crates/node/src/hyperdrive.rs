//! Hyperdrive in an app: for each configuration a pool and a cache behind a socket that only its Worker knows.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use selvedge_base::SharedClock;
use selvedge_hyperdrive::cache::{CacheStore, DEFAULT_STORE_BYTES};
use selvedge_hyperdrive::{ClientLogin, Login, Origin, OriginError, Pooler, PoolerError, PoolerSettings};
use selvedge_project::{Hyperdrive, HyperdriveSettings, Worker};
use selvedge_workerd::HyperdriveTarget;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::release::{ReleaseError, Workshop};

#[derive(Debug, thiserror::Error)]
pub enum HyperdriveError {
    #[error(transparent)]
    Origin(#[from] OriginError),
    #[error(transparent)]
    Pooler(#[from] PoolerError),
}

/// The pools of all releases. A release that configures a binding as one before it did, and that still is, gets the
/// same pool: neither connections nor answers are lost to an edit of the Worker.
pub(crate) struct Pools {
    store: Arc<CacheStore>,
    clock: SharedClock,
    open: Mutex<Vec<Weak<Pool>>>,
}

/// A pool, whom it is for, and what its Worker logs in with.
struct Pool {
    worker: String,
    config: Hyperdrive,
    pooler: Pooler,
    login: ClientLogin,
}

impl Pools {
    pub(crate) fn new(clock: &SharedClock) -> Self {
        let store = CacheStore::new(DEFAULT_STORE_BYTES, Arc::clone(clock));
        Self { store, clock: Arc::clone(clock), open: Mutex::default() }
    }

    /// The pool of a binding. It lives for as long as somebody holds it.
    fn get(&self, worker: &str, config: &Hyperdrive, origin: Origin) -> Result<Arc<Pool>, PoolerError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|pool| pool.strong_count() > 0);
        let mut known = open.iter().filter_map(Weak::upgrade);
        if let Some(pool) = known.find(|pool| pool.worker == worker && pool.config == *config) {
            return Ok(pool);
        }
        let settings = settings(&config.settings);
        let (pooler, login) = Pooler::new(origin, Login::Made, settings, &self.store, &self.clock)?;
        let pool = Arc::new(Pool { worker: worker.to_owned(), config: config.clone(), pooler, login });
        open.push(Arc::downgrade(&pool));
        Ok(pool)
    }
}

impl Workshop {
    /// Opens a socket for each of the Worker's configurations; `poolers` serve them. A Worker logs in with a name
    /// and a password made here: those of the database stay in this process.
    pub(crate) fn hyperdrive(
        &self,
        worker: &Worker,
        index: usize,
        directory: &Path,
        poolers: &mut JoinSet<()>,
    ) -> Result<Vec<HyperdriveTarget>, ReleaseError> {
        let mut targets = Vec::new();
        for (at, config) in worker.hyperdrive.iter().enumerate() {
            let binding = config.binding.clone();
            let wrong =
                |source: HyperdriveError| ReleaseError::Hyperdrive { binding: binding.clone(), source };
            let origin = Origin::parse(&config.connection_string).map_err(|error| wrong(error.into()))?;
            let socket = directory.join(format!("hyperdrive-{index}-{at}.sock"));
            let listener = UnixListener::bind(&socket)
                .map_err(|source| ReleaseError::Files { path: socket.clone(), source })?;
            let mut target = HyperdriveTarget {
                binding: binding.clone(),
                socket,
                scheme: origin.scheme.clone(),
                database: origin.database.clone(),
                user: origin.user.clone(),
                password: origin.password.clone(),
            };
            if config.settings.pool {
                let pool = self.pools.get(&worker.name, config, origin);
                let pool = pool.map_err(|error| wrong(error.into()))?;
                target.user.clone_from(&pool.login.user);
                target.password.clone_from(&pool.login.password);
                poolers.spawn(async move { pool.pooler.serve(listener.into()).await });
            } else {
                poolers.spawn(selvedge_hyperdrive::relay(listener, binding.clone(), origin));
            }
            targets.push(target);
        }
        Ok(targets)
    }
}

fn settings(wanted: &HyperdriveSettings) -> PoolerSettings {
    let mut settings = PoolerSettings::default();
    if wanted.session_mode {
        settings.set_session_mode();
    }
    if let Some(most) = wanted.max_connections {
        settings.pool.max_connections = most as usize;
    }
    settings.cache.enabled = wanted.caching;
    if let Some(seconds) = wanted.max_age {
        settings.cache.max_age = Duration::from_secs(seconds.into());
    }
    if let Some(seconds) = wanted.stale_while_revalidate {
        settings.cache.stale_while_revalidate = Duration::from_secs(seconds.into());
    }
    settings
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;

    use super::*;

    fn config(database: &str, max_age: u32) -> Hyperdrive {
        Hyperdrive {
            binding: "DB".to_owned(),
            connection_string: format!("postgres://u:p@localhost/{database}"),
            settings: HyperdriveSettings { max_age: Some(max_age), ..HyperdriveSettings::default() },
            ..Hyperdrive::default()
        }
    }

    #[tokio::test]
    async fn a_pool_outlives_a_release_that_changes_nothing_about_it() {
        let pools = Pools::new(&SystemClock::shared());
        let get = |worker: &str, config: &Hyperdrive| {
            pools.get(worker, config, Origin::parse(&config.connection_string).unwrap()).unwrap()
        };
        let first = get("shop", &config("a", 60));
        assert!(Arc::ptr_eq(&first, &get("shop", &config("a", 60))));
        for other in
            [get("shop", &config("b", 60)), get("shop", &config("a", 5)), get("blog", &config("a", 60))]
        {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        let gone = Arc::downgrade(&first);
        drop(first);
        assert!(gone.upgrade().is_none(), "nobody uses it any more");
        assert_eq!(pools.open.lock().unwrap().iter().filter(|pool| pool.strong_count() > 0).count(), 0);
    }
}
