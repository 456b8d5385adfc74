//! A pool and a cache in front of one origin, whichever protocol it speaks.

use std::sync::Arc;
use std::time::Duration;

use selvedge_base::{SharedClock, random_hex};

use crate::cache::{CacheCounters, CacheSettings, CacheStore, QueryCache};
use crate::mysql::{MySql, MySqlConfig, MySqlCredential, MySqlMode};
use crate::net::TlsError;
use crate::pool::{Counters, PoolConfig, Status};
use crate::postgres::{ClientAuth, Credential, Mode, Postgres, PostgresConfig};
use crate::{Listener, Origin, listen};

/// MySQL clients at once.
const MYSQL_CLIENTS: usize = 100_000;

/// What a [`Pooler`] is to do.
#[derive(Clone, Debug, Default)]
pub struct PoolerSettings {
    pub pool: PoolConfig,
    pub postgres: PostgresConfig,
    pub mysql: MySqlConfig,
    pub cache: CacheSettings,
}

impl PoolerSettings {
    /// Every client keeps its connection for as long as it is connected.
    pub fn set_session_mode(&mut self) {
        self.postgres.mode = Mode::Session;
        self.mysql.mode = MySqlMode::Session;
    }
}

/// What clients log in with.
#[derive(Clone, Debug)]
pub enum Login {
    /// A name and a password made for this pooler, for a socket that only its Worker can reach.
    Made,
    /// These.
    Given { user: String, password: String },
}

/// One origin's pooler.
#[derive(Clone, Debug)]
pub enum Pooler {
    Postgres(Arc<Postgres>),
    MySql(Arc<MySql>),
}

/// What clients put into a connection string.
#[derive(Clone, Debug)]
pub struct ClientLogin {
    pub user: String,
    pub password: String,
    pub database: String,
}

#[derive(Debug, thiserror::Error)]
pub enum PoolerError {
    #[error("TLS to the database cannot be set up")]
    Tls(#[from] TlsError),
}

impl Pooler {
    /// Connects to nothing yet. Must be called inside a tokio runtime. `store` keeps the answers of every pooler of
    /// the process.
    pub fn new(
        origin: Origin,
        login: Login,
        settings: PoolerSettings,
        store: &Arc<CacheStore>,
        clock: &SharedClock,
    ) -> Result<(Self, ClientLogin), PoolerError> {
        let database = String::from_utf8_lossy(&origin.database_name()).into_owned();
        let PoolerSettings { pool, mut postgres, mysql, cache } = settings;
        // A Worker has no business there.
        postgres.console &= matches!(login, Login::Given { .. });
        let (user, password, auth) = match login {
            // MySQL takes names of 32 characters at most.
            Login::Made => (random_hex(&**clock, 16), random_hex(&**clock, 32), ClientAuth::Cleartext),
            Login::Given { user, password } => (user, password, ClientAuth::ScramSha256),
        };
        let client =
            ClientLogin { user: user.clone(), password: password.clone(), database: database.clone() };
        let cache = Some(QueryCache::new(Arc::clone(store), cache));
        let clock = Arc::clone(clock);
        let pooler = if origin.scheme == "mysql" {
            let credential = MySqlCredential { user, password, database };
            Self::MySql(MySql::new(origin, credential, mysql, pool, cache, clock)?)
        } else {
            let credential = Credential { user, password, database, auth };
            Self::Postgres(Postgres::new(origin, credential, postgres, pool, cache, clock)?)
        };
        Ok((pooler, client))
    }

    /// Serves clients until the future is dropped; those who are connected then go on.
    pub async fn serve(&self, listener: Listener) {
        match self {
            Self::Postgres(server) => {
                listen(listener, Arc::clone(server), server.config().max_clients).await;
            }
            Self::MySql(server) => listen(listener, Arc::clone(server), MYSQL_CLIENTS).await,
        }
    }

    /// New settings, and an origin that may be another. Clients that are connected stay.
    pub fn reconfigure(&self, origin: Origin, settings: PoolerSettings) -> Result<(), PoolerError> {
        match self {
            Self::Postgres(server) => {
                server.reconfigure(settings.postgres, settings.pool);
                if let Some(cache) = server.cache() {
                    cache.set_settings(settings.cache);
                }
                Ok(server.replace_origin(origin)?)
            }
            Self::MySql(server) => {
                server.reconfigure(settings.mysql, &settings.pool);
                if let Some(cache) = server.cache() {
                    cache.set_settings(settings.cache);
                }
                Ok(server.replace_origin(origin)?)
            }
        }
    }

    /// Lets clients finish their transactions, for `patience` at most. Returns how many had not.
    pub async fn drain(&self, patience: Duration) -> usize {
        match self {
            Self::Postgres(server) => server.drain(patience).await,
            Self::MySql(server) => server.drain(patience).await,
        }
    }

    /// Clients that are logged in.
    pub fn clients(&self) -> usize {
        match self {
            Self::Postgres(server) => server.clients(),
            Self::MySql(server) => server.clients(),
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::Postgres(server) => server.pool().status(),
            Self::MySql(server) => server.pool().status(),
        }
    }

    pub fn counters(&self) -> &Counters {
        match self {
            Self::Postgres(server) => server.pool().counters(),
            Self::MySql(server) => server.pool().counters(),
        }
    }

    /// What the cache did; `None` without one.
    pub fn cache_counters(&self) -> Option<CacheCounters> {
        match self {
            Self::Postgres(server) => server.cache().map(|cache| cache.counters()),
            Self::MySql(server) => server.cache().map(|cache| cache.counters()),
        }
    }
}
