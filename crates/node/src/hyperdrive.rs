//! Hyperdrive in an app: for each configuration a pool and a cache behind a socket that only its Worker knows.

use std::path::Path;
use std::time::Duration;

use selvedge_hyperdrive::{Login, Origin, OriginError, Pooler, PoolerError, PoolerSettings};
use selvedge_project::{HyperdriveSettings, Worker};
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
                let settings = settings(&config.settings);
                let made = Pooler::new(origin, Login::Made, settings, &self.clock);
                let (pooler, login) = made.map_err(|error| wrong(error.into()))?;
                (target.user, target.password) = (login.user, login.password);
                poolers.spawn(async move { pooler.serve(listener.into()).await });
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
