//! The MySQL pooler in front of a real MariaDB.

mod cache;
mod chaos;
mod login;
mod prepared;
mod queries;
mod sessions;
mod tls;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use selvedge_base::{ManualClock, Millis, SharedClock, SystemClock};
use selvedge_hyperdrive::cache::{CacheSettings, CacheStore, QueryCache};
use selvedge_hyperdrive::mysql::{MySql, MySqlConfig, MySqlCredential};
use selvedge_hyperdrive::pool::PoolConfig;
use selvedge_hyperdrive::{Origin, listen};
use tokio::runtime::Runtime;

use crate::support::{MariaDb, MySqlWire};

/// A pooler in this process.
struct Pooled {
    runtime: Runtime,
    server: Arc<MySql>,
    port: u16,
}

/// How a test wants its pooler.
struct Wish {
    origin: String,
    pool: PoolConfig,
    config: MySqlConfig,
    cache: Option<CacheSettings>,
    clock: SharedClock,
}

impl Wish {
    fn to(database: &MariaDb) -> Self {
        Self {
            origin: format!("mysql://app:pw@127.0.0.1:{}/shop", database.port),
            pool: PoolConfig { max_connections: 5, ..PoolConfig::default() },
            config: MySqlConfig::default(),
            cache: None,
            clock: SystemClock::shared(),
        }
    }

    fn connections(mut self, count: usize) -> Self {
        self.pool.max_connections = count;
        self
    }

    /// With a cache, and a clock to move its answers' age.
    fn cached(mut self) -> (Self, Arc<ManualClock>) {
        let clock = ManualClock::at(Millis(1_000_000));
        self.cache = Some(CacheSettings::default());
        self.clock = clock.clone();
        (self, clock)
    }

    fn start(self) -> Pooled {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let _inside = runtime.enter();
        let cache = self
            .cache
            .map(|settings| QueryCache::new(CacheStore::new(64 << 20, Arc::clone(&self.clock)), settings));
        let origin = Origin::parse(&self.origin).unwrap();
        let credential =
            MySqlCredential { user: "me".into(), password: "secret".into(), database: "shop".into() };
        let server = MySql::new(origin, credential, self.config, self.pool, cache, self.clock).unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(listen(listener.into(), Arc::clone(&server), 1000));
        Pooled { runtime, server, port }
    }
}

impl Pooled {
    fn connect(&self) -> MySqlWire {
        MySqlWire::connect(self.port, "me", "secret", "shop").unwrap()
    }

    /// Open connections of all pools, used and unused.
    fn open(&self) -> usize {
        self.server.pools().map(|pool| pool.status().size()).sum()
    }

    /// A connection is given back after its answer is sent, so a client may see that first.
    fn all_given_back(&self) {
        eventually("all connections are given back", || self.active() == 0);
    }

    fn active(&self) -> usize {
        self.server.pools().map(|pool| pool.status().active).sum()
    }
}

/// Waits for something that is about to be.
fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to be: {what}");
}
