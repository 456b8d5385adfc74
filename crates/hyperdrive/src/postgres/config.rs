use std::time::Duration;

use selvedge_base::{Clock, random_hex};

use crate::net::TlsServer;

/// For how long a client keeps a connection to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For a transaction, or for one statement outside one. Many clients share few connections.
    #[default]
    Transaction,
    /// For as long as it is connected. Everything works as it does without a pool, `LISTEN` and temporary tables too.
    Session,
}

/// What is done with a connection between two clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// What the statements' text shows to be needed: nothing, `RESET ALL` or `DISCARD ALL`.
    #[default]
    WhenNeeded,
    /// `DISCARD ALL` after every transaction: for applications whose functions change their session. Costs a round
    /// trip, and the prepared statements.
    Always,
    /// It is closed. Every client in session mode, and every transaction in transaction mode, has one that nobody has used
    /// before, and waits for it to be opened.
    Close,
}

/// How clients are served.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    pub mode: Mode,
    pub reset: Reset,
    /// Clients connected at once, over all. One more is closed unheard.
    pub max_clients: usize,
    /// For a client to log in.
    pub login_timeout: Duration,
    /// Named statements a client may have prepared.
    pub max_statements_per_client: usize,
    /// Statements prepared on one connection to the origin.
    pub max_statements_per_connection: usize,
    /// TLS for clients. Without it a client's request for TLS is declined.
    pub tls: Option<TlsServer>,
    /// Whether who connects to the database `pgbouncer` or `hyperdrive` gets a console that shows how the pooler stands.
    /// Stays as it was when a pooler was made.
    pub console: bool,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            reset: Reset::default(),
            max_clients: 100_000,
            login_timeout: Duration::from_secs(30),
            max_statements_per_client: 10_000,
            max_statements_per_connection: 200,
            tls: None,
            console: true,
        }
    }
}

/// How a client shows that it knows the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    ScramSha256,
    /// It sends it as it is: for a socket that only a Worker can reach. Saves two round trips and the hashing.
    Cleartext,
    /// It need not: for a socket that only its owner can reach.
    Trust,
}

/// What clients log in with. Has nothing to do with what we log in to the origin with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub user: String,
    pub password: String,
    pub database: String,
    pub auth: ClientAuth,
}

impl Credential {
    /// A user and a password that nobody can guess.
    pub fn random(clock: &dyn Clock, database: &str, auth: ClientAuth) -> Self {
        Self {
            user: random_hex(clock, 16),
            password: random_hex(clock, 32),
            database: database.to_owned(),
            auth,
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}
