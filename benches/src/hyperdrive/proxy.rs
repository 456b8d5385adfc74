//! What stands between clients and their database.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use selvedge_databases::{
    DATABASE, PASSWORD, Postgres, Server, USER, command, directory, find_or_say, free_port,
};

use super::database::local;
use crate::usage;

/// Selvedge's pool without its cache, which is what others are held against.
pub(super) const POOLED: &str = "selvedge";
pub(super) const CACHED: &str = "selvedge, cached";
pub(super) const DIRECT: &str = "direct";
pub(super) const PGBOUNCER: &str = "PgBouncer";
pub(super) const RELAY: &str = "bare relay";

/// Where clients connect to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The process in between.
    pub(super) pooler: Option<u32>,
}

impl Target {
    /// A libpq program that connects here.
    pub(super) fn client(&self, program: &Path) -> Command {
        let mut command = command(program, None);
        command
            .arg("--host=127.0.0.1")
            .arg(format!("--port={}", self.address.port()))
            .arg(format!("--username={USER}"))
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable");
        command
    }

    pub(super) fn cpu_seconds(&self) -> Option<f64> {
        self.pooler.map(|id| usage::of_tree(id).cpu_seconds)
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        self.pooler.map(|id| usage::of_tree(id).resident_bytes)
    }
}

pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) target: Target,
    _server: Option<Server>,
    _directory: Option<tempfile::TempDir>,
}

impl Contestant {
    pub(super) fn direct(target: Target) -> Self {
        Self { name: DIRECT, target, _server: None, _directory: None }
    }

    /// `selvedge hyperdrive` in front of `url`, with `pool` connections.
    pub(super) fn selvedge(binary: &Path, url: &str, pool: usize, cached: bool) -> Result<Self> {
        let (directory, port) = (tempfile::tempdir()?, free_port()?);
        let mut selvedge = command(binary, None);
        selvedge
            .args(["hyperdrive", url, "--listen", &local(port).to_string()])
            .args(["--max-connections", &pool.to_string()]);
        if !cached {
            selvedge.args(["--max-age", "0"]);
        }
        let name = if cached { CACHED } else { POOLED };
        Self::new(name, selvedge, port, directory)
    }

    /// PgBouncer, pooling by transaction; `None` when it is not installed.
    pub(super) fn pgbouncer(postgres: &Postgres, pool: usize) -> Result<Option<Self>> {
        let Some(binary) = find_or_say("pgbouncer", "pgbouncer") else { return Ok(None) };
        let user = postgres.cluster().user();
        let (directory, port) = (directory(user)?, free_port()?);
        let users = directory.path().join("users");
        std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n"))?;
        let config = directory.path().join("pgbouncer.ini");
        std::fs::write(
            &config,
            format!(
                "[databases]\n{DATABASE} = host=127.0.0.1 port={} dbname={DATABASE}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n\
                 auth_file = {}\npool_mode = transaction\ndefault_pool_size = {pool}\n\
                 max_client_conn = 15000\nunix_socket_dir =\nlog_connections = 0\nlog_disconnections = 0\n\
                 ignore_startup_parameters = extra_float_digits\n",
                postgres.port,
                users.display(),
            ),
        )?;
        let mut pgbouncer = command(&binary, user);
        pgbouncer.arg(&config).current_dir(directory.path());
        Self::new(PGBOUNCER, pgbouncer, port, directory).map(Some)
    }

    /// What passes bytes on and knows nothing of them, with a connection to `target` for each client.
    pub(super) fn relay(target: Target) -> Result<Self> {
        let (directory, port) = (tempfile::tempdir()?, free_port()?);
        let mut relay = command(std::env::current_exe()?, None);
        relay.arg("relay").arg(local(port).to_string()).arg(target.address.to_string());
        Self::new(RELAY, relay, port, directory)
    }

    fn new(name: &'static str, command: Command, port: u16, directory: tempfile::TempDir) -> Result<Self> {
        let server = Server::start(command, port, &directory.path().join("log"))
            .with_context(|| format!("cannot start {name}"))?;
        let target = Target { address: local(port), pooler: Some(server.id()) };
        Ok(Self { name, target, _server: Some(server), _directory: Some(directory) })
    }
}
