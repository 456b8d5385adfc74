use std::time::Duration;

use crate::net::TlsServer;

/// For how long a client keeps a connection to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MySqlMode {
    /// For a transaction, or for one statement outside one.
    #[default]
    Transaction,
    /// For as long as it is connected.
    Session,
}

/// How clients are served.
#[derive(Clone, Debug)]
pub struct MySqlConfig {
    pub mode: MySqlMode,
    /// For a client to log in.
    pub login_timeout: Duration,
    /// The most bytes of one command.
    pub max_packet: usize,
    /// Statements a client may have prepared.
    pub max_statements_per_client: usize,
    /// Statements prepared on one connection to the origin.
    pub max_statements_per_connection: usize,
    /// TLS for clients. Without it clients are not offered any.
    pub tls: Option<TlsServer>,
}

impl Default for MySqlConfig {
    fn default() -> Self {
        Self {
            mode: MySqlMode::default(),
            login_timeout: Duration::from_secs(30),
            max_packet: 64 << 20,
            max_statements_per_client: 10_000,
            max_statements_per_connection: 200,
            tls: None,
        }
    }
}

/// What clients log in with. Has nothing to do with what we log in to the origin with.
#[derive(Clone, PartialEq, Eq)]
pub struct MySqlCredential {
    pub user: String,
    pub password: String,
    /// The name clients know the database by.
    pub database: String,
}

impl std::fmt::Debug for MySqlCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MySqlCredential").field("user", &self.user).finish_non_exhaustive()
    }
}
