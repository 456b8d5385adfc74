use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use selvedge_base::{SharedClock, SystemClock};
use selvedge_hyperdrive::cache::QueryCache;
use selvedge_hyperdrive::pool::{Counters, PoolConfig};
use selvedge_hyperdrive::postgres::{ClientAuth, Credential, Mode, Postgres, PostgresConfig};
use selvedge_hyperdrive::{Origin, listen};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::Wire;

/// A pooler in this process, on a runtime of its own.
pub(crate) struct Pooler {
    pub(crate) port: u16,
    pub(crate) server: Arc<Postgres>,
    runtime: Runtime,
}

/// What a test wants to be different.
pub(crate) struct Wishes {
    pub(crate) pool: PoolConfig,
    pub(crate) config: PostgresConfig,
    pub(crate) auth: ClientAuth,
    pub(crate) cache: Option<Arc<QueryCache>>,
    pub(crate) clock: SharedClock,
}

impl Pooler {
    /// In front of the database `postgres` of a server, for its superuser, who need not show a password.
    pub(crate) fn new(server: &super::Postgres, connections: usize) -> Self {
        Self::with(&origin(server, "postgres", ""), |wishes| wishes.pool.max_connections = connections)
    }

    pub(crate) fn in_session_mode(server: &super::Postgres, connections: usize) -> Self {
        Self::with(&origin(server, "postgres", ""), |wishes| {
            wishes.pool.max_connections = connections;
            wishes.config.mode = Mode::Session;
        })
    }

    pub(crate) fn with(origin: &str, wish: impl FnOnce(&mut Wishes)) -> Self {
        let mut wishes = Wishes {
            pool: PoolConfig::default(),
            config: PostgresConfig::default(),
            auth: ClientAuth::Trust,
            cache: None,
            clock: SystemClock::shared(),
        };
        wish(&mut wishes);
        let credential = Credential {
            user: "someone".to_owned(),
            password: "their own".to_owned(),
            database: "mine".to_owned(),
            auth: wishes.auth,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (server, port) = runtime.block_on(async {
            let origin = Origin::parse(origin).unwrap();
            let limit = wishes.config.max_clients;
            let server =
                Postgres::new(origin, credential, wishes.config, wishes.pool, wishes.cache, wishes.clock)
                    .unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(listen(listener.into(), Arc::clone(&server), limit));
            (server, port)
        });
        Self { port, server, runtime }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.port, "someone", "mine")
    }

    /// With settings in the startup packet.
    pub(crate) fn connect_with(&self, settings: &[&str]) -> Wire {
        Wire::connect_with(self.port, &[&["user", "someone", "database", "mine"], settings].concat())
    }

    pub(crate) fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        Counters::get(counter(self.server.pool().counters()))
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits until nobody uses a connection any more.
    pub(crate) fn settle(&self) {
        wait_until(|| self.server.pool().status().active == 0);
    }
}

pub(crate) fn origin(server: &super::Postgres, user: &str, parameters: &str) -> String {
    format!("postgres://{user}:secret@localhost:{}/postgres?{parameters}", server.port)
}

/// Waits for something that happens soon.
pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came to be");
}
