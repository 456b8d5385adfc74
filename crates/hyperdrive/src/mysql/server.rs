//! One Hyperdrive configuration for MySQL: pools, a cache, and the clients in front of them.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use selvedge_base::SharedClock;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::clients::Clients;
use super::config::{MySqlConfig, MySqlCredential};
use super::connect::{ConnectError, MySqlConnect};
use super::login;
use crate::cache::QueryCache;
use crate::net::TlsError;
use crate::pool::{AcquireError, Pool, PoolConfig};
use crate::{Origin, Serve, Stream};

/// KILLs under way at once: each takes a connection beside the pool.
const KILLS: usize = 4;

pub struct MySql {
    pool: Pool<MySqlConnect>,
    /// For clients that count the rows an UPDATE found. Made when the first of them comes.
    pool_found_rows: OnceLock<Pool<MySqlConnect>>,
    pub(super) clients: Clients,
    pub(super) cache: Option<Arc<QueryCache>>,
    pub(super) clock: SharedClock,
    config: RwLock<Arc<MySqlConfig>>,
    pool_config: RwLock<PoolConfig>,
    credential: RwLock<Arc<MySqlCredential>>,
    origin: RwLock<Arc<Origin>>,
    version: RwLock<Option<Arc<str>>>,
    kills: Semaphore,
}

impl fmt::Debug for MySql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySql").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl MySql {
    /// Must be called inside a tokio runtime. Connects to nothing yet.
    pub fn new(
        origin: Origin,
        credential: MySqlCredential,
        config: MySqlConfig,
        pool: PoolConfig,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Result<Arc<Self>, TlsError> {
        let connector = MySqlConnect::new(origin.clone(), false, cache.clone(), Arc::clone(&clock))?;
        Ok(Arc::new(Self {
            pool: Pool::new(connector, pool.clone()),
            pool_found_rows: OnceLock::new(),
            clients: Clients::default(),
            cache,
            clock,
            config: RwLock::new(Arc::new(config)),
            pool_config: RwLock::new(pool),
            credential: RwLock::new(Arc::new(credential)),
            origin: RwLock::new(Arc::new(origin)),
            version: RwLock::default(),
            kills: Semaphore::new(KILLS),
        }))
    }

    /// Every pool there is. More than one, when clients want the rows of an UPDATE counted in different ways.
    pub fn pools(&self) -> impl Iterator<Item = &Pool<MySqlConnect>> {
        std::iter::once(&self.pool).chain(self.pool_found_rows.get())
    }

    pub(super) fn pool_for(&self, found_rows: bool) -> Result<&Pool<MySqlConnect>, TlsError> {
        if !found_rows {
            return Ok(&self.pool);
        }
        if let Some(pool) = self.pool_found_rows.get() {
            return Ok(pool);
        }
        let connector =
            MySqlConnect::new((*self.origin()).clone(), true, self.cache.clone(), Arc::clone(&self.clock))?;
        let config = self.pool_config.read().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(self.pool_found_rows.get_or_init(|| Pool::new(connector, config)))
    }

    /// The pool of clients that have changed rows counted, not found ones.
    pub fn pool(&self) -> &Pool<MySqlConnect> {
        &self.pool
    }

    /// Clients that are logged in.
    pub fn clients(&self) -> usize {
        self.clients.count()
    }

    pub fn cache(&self) -> Option<&Arc<QueryCache>> {
        self.cache.as_ref()
    }

    pub fn config(&self) -> Arc<MySqlConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn credential(&self) -> Arc<MySqlCredential> {
        Arc::clone(&self.credential.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn origin(&self) -> Arc<Origin> {
        Arc::clone(&self.origin.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New settings. Clients that are connected stay; their mode stays with them.
    pub fn reconfigure(&self, config: MySqlConfig, pool: &PoolConfig) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        *self.pool_config.write().unwrap_or_else(PoisonError::into_inner) = pool.clone();
        for each in self.pools() {
            each.reconfigure(pool.clone());
        }
    }

    /// New clients log in with this.
    pub fn set_credential(&self, credential: MySqlCredential) {
        *self.credential.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credential);
    }

    /// From now on connections go to `origin`. Transactions that are open end where they are.
    pub fn replace_origin(&self, origin: Origin) -> Result<(), TlsError> {
        let connector = |found_rows| {
            MySqlConnect::new(origin.clone(), found_rows, self.cache.clone(), Arc::clone(&self.clock))
        };
        let (plain, found_rows) = (connector(false)?, connector(true)?);
        *self.origin.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(origin);
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.pool.replace_connector(plain);
        if let Some(pool) = self.pool_found_rows.get() {
            pool.replace_connector(found_rows);
        }
        if let Some(cache) = &self.cache {
            cache.purge();
        }
        Ok(())
    }

    /// The version that clients are told: the origin's own.
    pub(super) async fn version(&self) -> Result<Arc<str>, AcquireError<ConnectError>> {
        if let Some(version) = &*self.version.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(version));
        }
        let lease = self.pool.acquire(&()).await?;
        let version = Arc::clone(&lease.version);
        lease.give_back();
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&version));
        Ok(version)
    }

    /// Whether the origin lets us in. Waits no longer than for a client.
    pub async fn check(&self) -> Result<(), AcquireError<ConnectError>> {
        self.version().await.map(drop)
    }

    /// Ends what a client's connection is doing, and with `all` the client's session. False if there is no such
    /// client.
    pub(super) async fn kill(&self, number: u32, all: bool) -> bool {
        let Some(handle) = self.clients.find(number) else { return false };
        let mut held = handle.held.lock().await;
        if let Some(held) = &mut *held {
            held.killed = true;
            let sql = format!("KILL QUERY {}", held.number);
            if let Err(error) = self.beside(&sql).await {
                tracing::warn!("a statement could not be killed: {error}");
            }
        }
        drop(held);
        if all {
            handle.end();
        }
        true
    }

    /// Runs a statement on a connection of its own.
    pub(super) async fn beside(&self, sql: &str) -> Result<(), ConnectError> {
        let Ok(_permit) = self.kills.acquire().await else { return Ok(()) };
        let limit = self.pool.config().connect_timeout;
        let connector = self.pool.connector();
        let running = async {
            let mut backend = connector.log_in().await?;
            backend.execute(sql).await
        };
        tokio::time::timeout(limit, running).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    /// Lets every client finish its transaction, for `patience` at most, and tells it to go. Returns the number of
    /// those who had not finished. New clients are refused.
    pub async fn drain(&self, patience: Duration) -> usize {
        let start = Instant::now();
        self.clients.close();
        let mut taken = 0;
        for pool in self.pools() {
            taken += pool.drain(patience.saturating_sub(start.elapsed())).await;
        }
        self.clients.end_all();
        while self.clients.count() > taken && start.elapsed() < patience {
            sleep(Duration::from_millis(10)).await;
        }
        taken
    }
}

impl Serve for MySql {
    async fn serve<S: Stream>(self: Arc<Self>, client: S) {
        login::serve(self, client).await;
    }
}
