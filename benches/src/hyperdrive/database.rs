//! The databases, and what pgbench and clients need of them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use selvedge_databases::{DATABASE, MariaDb, PASSWORD, Postgres, USER, output};

use super::proxy::Target;

/// PostgreSQL with pgbench's tables; `None` when it is not installed.
pub(super) fn postgres(scale: usize) -> Result<Option<Postgres>> {
    let settings =
        ["max_connections=700", "shared_buffers=512MB", "synchronous_commit=off", "max_wal_size=4GB"];
    let Some(postgres) = Postgres::start(&settings)? else { return Ok(None) };
    let mut pgbench = postgres.target().client(&postgres.program("pgbench"));
    output(pgbench.args(["-i", "-q", "-s", &scale.to_string(), DATABASE]))?;
    Ok(Some(postgres))
}

/// `None` when it is not installed.
pub(super) fn mariadb() -> Result<Option<MariaDb>> {
    MariaDb::start(&["--max-connections=700", "--innodb-buffer-pool-size=512M"])
}

/// What is measured: the way to it.
pub(super) trait Database {
    const SCHEME: &str;

    fn port(&self) -> u16;

    /// Itself, with nothing in between.
    fn target(&self) -> Target {
        Target { address: local(self.port()), pooler: None }
    }

    fn url(&self) -> String {
        format!("{}://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", Self::SCHEME, self.port())
    }
}

impl Database for Postgres {
    const SCHEME: &str = "postgres";

    fn port(&self) -> u16 {
        self.port
    }
}

impl Database for MariaDb {
    const SCHEME: &str = "mysql";

    fn port(&self) -> u16 {
        self.port
    }
}

pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
