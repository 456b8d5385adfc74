//! One Hyperdrive configuration for Postgres: a pool, and the clients in front of it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use selvedge_base::SharedClock;
use tokio::time::{Instant, sleep};

use super::caching::Caching;
use super::cancel::Clients;
use super::config::{Credential, PostgresConfig};
use super::connect::{ConnectError, PgConnect};
use super::login;
use super::params::ParamTable;
use super::scram::Verifier;
use super::statements::StatementTable;
use crate::cache::QueryCache;
use crate::net::TlsError;
use crate::pool::{AcquireError, Connect as _, Pool, PoolConfig};
use crate::{Origin, Serve, Stream};

pub struct Postgres {
    pub(super) pool: Pool<PgConnect>,
    pub(super) clients: Clients,
    pub(super) statements: StatementTable,
    pub(super) params: Arc<ParamTable>,
    pub(super) clock: SharedClock,
    config: RwLock<Arc<PostgresConfig>>,
    door: RwLock<Arc<Door>>,
    pub(super) caching: Option<Caching>,
}

/// What lets a client in.
pub(super) struct Door {
    pub(super) credential: Credential,
    pub(super) verifier: Verifier,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Must be called inside a tokio runtime. Connects to nothing yet. Without a cache every request goes to the
    /// origin.
    pub fn new(
        origin: Origin,
        credential: Credential,
        config: PostgresConfig,
        pool: PoolConfig,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Result<Arc<Self>, TlsError> {
        let params = Arc::new(ParamTable::default());
        let caching = cache.map(|cache| Caching::new(cache, &origin));
        let connector = PgConnect::new(origin, Arc::clone(&params))?;
        let verifier = Verifier::new(&credential.password, &*clock);
        Ok(Arc::new(Self {
            pool: Pool::new(connector, pool),
            clients: Clients::default(),
            statements: StatementTable::default(),
            params,
            clock,
            config: RwLock::new(Arc::new(config)),
            door: RwLock::new(Arc::new(Door { credential, verifier })),
            caching,
        }))
    }

    pub fn pool(&self) -> &Pool<PgConnect> {
        &self.pool
    }

    pub fn cache(&self) -> Option<&Arc<QueryCache>> {
        self.caching.as_ref().map(|caching| &caching.cache)
    }

    /// Clients that are logged in.
    pub fn clients(&self) -> usize {
        self.clients.count()
    }

    pub fn config(&self) -> Arc<PostgresConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New settings. Clients that are connected stay; their mode stays with them.
    pub fn reconfigure(&self, mut config: PostgresConfig, pool: PoolConfig) {
        config.console = self.config().console;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        self.pool.reconfigure(pool);
    }

    /// New clients log in with this.
    pub fn set_credential(&self, credential: Credential) {
        let verifier = Verifier::new(&credential.password, &*self.clock);
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Door { credential, verifier });
    }

    /// From now on connections go to `origin`, if it is another. Transactions that are open end where they are.
    pub fn replace_origin(&self, origin: Origin) -> Result<(), TlsError> {
        if self.pool.connector().is_for(&origin) {
            return Ok(());
        }
        if let Some(caching) = &self.caching {
            caching.replace_origin(&origin);
        }
        let connector = PgConnect::new(origin, Arc::clone(&self.params))?;
        self.params.forget_reported();
        self.pool.replace_connector(connector);
        Ok(())
    }

    /// Whether the origin lets us in. Waits no longer than for a client.
    pub async fn check(&self) -> Result<(), AcquireError<ConnectError>> {
        self.pool.acquire(&self.pool.connector().plain()).await.map(crate::pool::Lease::give_back)
    }

    /// Lets every client finish its transaction, for `patience` at most, and tells it to go. Returns the number of
    /// those who had not finished. New clients are refused.
    pub async fn drain(&self, patience: Duration) -> usize {
        let start = Instant::now();
        self.clients.close();
        self.pool.drain(patience).await;
        while self.clients.count() > 0 && start.elapsed() < patience {
            sleep(Duration::from_millis(10)).await;
        }
        self.clients.count()
    }
}

impl Serve for Postgres {
    async fn serve<S: Stream>(self: Arc<Self>, client: S) {
        login::serve(self, client).await;
    }
}
