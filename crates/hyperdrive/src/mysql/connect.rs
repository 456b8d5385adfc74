//! Opening connections to the origin: TLS, proving the password, and the first settings.

use std::io;
use std::sync::Arc;

use selvedge_base::SharedClock;

use super::auth::{Method, masked};
use super::backend::Backend;
use super::error::MySqlError;
use super::greeting::{Greeting, Response};
use super::wire::{Fields, capability, command};
use crate::Origin;
use crate::cache::{Catalog, Dialect, QueryCache};
use crate::net::{DialError, Socket, TlsClient, TlsError, TlsMode, dial};
use crate::pool::Connect;

/// utf8mb4_general_ci: every server since 5.5 has it.
pub(super) const CHARSET: u8 = 45;

/// Why there is no connection to the origin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{0}")]
    Dial(#[from] DialError),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("the origin does not offer TLS; ssl-mode=disabled would do without")]
    NoTls,
    #[error("the connection was lost: {0}")]
    Lost(io::Error),
    #[error("the origin says: {0}")]
    Origin(MySqlError),
    #[error("the origin does not keep to the protocol: {0}")]
    Protocol(&'static str),
    #[error(
        "the origin wants the password proved by {0}, which is neither mysql_native_password nor caching_sha2_password"
    )]
    Method(String),
    #[error("the origin's public key cannot be used: {0}")]
    Key(&'static str),
    #[error("the origin did not answer in time")]
    TimedOut,
}

impl ConnectError {
    /// What a client is told.
    pub(super) fn to_client(&self) -> MySqlError {
        match self {
            Self::Origin(error) => error.clone(),
            Self::Dial(error) => MySqlError::unreachable(error.word()),
            Self::Tls(_) | Self::NoTls => MySqlError::unreachable("tls_failed"),
            Self::TimedOut => MySqlError::unreachable("timeout"),
            Self::Lost(_) => MySqlError::unreachable("connection_reset"),
            Self::Protocol(_) | Self::Method(_) | Self::Key(_) => MySqlError::unreachable("protocol_error"),
        }
    }
}

/// Connects to one origin.
pub struct MySqlConnect {
    origin: Origin,
    tls: Option<TlsClient>,
    /// UPDATE counts the rows that it found, not those that it changed: some drivers want that.
    found_rows: bool,
    cache: Option<Arc<QueryCache>>,
    clock: SharedClock,
}

impl std::fmt::Debug for MySqlConnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MySqlConnect").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl MySqlConnect {
    pub(super) fn new(
        origin: Origin,
        found_rows: bool,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Result<Self, TlsError> {
        let tls = TlsClient::new(&origin.tls, &origin.host)?;
        Ok(Self { origin, tls, found_rows, cache, clock })
    }

    pub(super) async fn log_in(&self) -> Result<Backend, ConnectError> {
        let socket = dial(&self.origin.host, self.origin.port).await?;
        let mut backend = Backend::new(socket, 0, "");
        let (first, _) = backend.packet().await?;
        if let Some(error) = MySqlError::parse(&first) {
            return Err(ConnectError::Origin(error));
        }
        let greeting = Greeting::parse(&first).ok_or(ConnectError::Protocol("no greeting"))?;
        backend.number = greeting.connection;
        backend.version = greeting.version.as_str().into();
        backend.database = self.origin.database_name().into_owned().into();
        backend.tracks_state = greeting.capabilities & capability::SESSION_TRACK != 0;
        if greeting.capabilities & (capability::PROTOCOL_41 | capability::PLUGIN_AUTH)
            != capability::PROTOCOL_41 | capability::PLUGIN_AUTH
        {
            return Err(ConnectError::Protocol("a server older than MySQL 5.5"));
        }
        let method = Method::named(&greeting.method).unwrap_or(Method::CachingSha2);
        let password = self.origin.password_bytes();
        let mut capabilities = capability::COMMON | capability::CONNECT_WITH_DATABASE;
        if self.found_rows {
            capabilities |= capability::FOUND_ROWS;
        }
        if backend.tracks_state {
            capabilities |= capability::SESSION_TRACK;
        }
        let response = Response {
            capabilities,
            charset: CHARSET,
            user: self.origin.user_name().into_owned(),
            proof: method.proof(&password, &greeting.nonce),
            database: self.origin.database_name().into_owned(),
            method: method.name().into(),
        };
        let mut sequence = 1;
        if let Some(tls) = &self.tls {
            if greeting.capabilities & capability::TLS != 0 {
                backend.send_packet(1, &response.tls_request()).await?;
                sequence = 2;
                backend.socket = tls.handshake(backend.socket).await.map_err(ConnectError::Tls)?;
            } else if self.origin.tls.mode != TlsMode::Prefer {
                return Err(ConnectError::NoTls);
            }
        }
        let encrypted = backend.socket.is_encrypted();
        backend.send_packet(sequence, &response.payload(encrypted)).await?;
        self.prove(&mut backend, method, &greeting.nonce, &password).await?;
        Ok(backend)
    }

    /// Does what the origin asks for until it says OK.
    async fn prove(
        &self,
        backend: &mut Backend,
        mut method: Method,
        nonce: &[u8],
        password: &[u8],
    ) -> Result<(), ConnectError> {
        let mut nonce = nonce.to_vec();
        // No server asks for more than this.
        for _ in 0..6 {
            let (packet, sequence) = backend.packet().await?;
            let reply = sequence.wrapping_add(1);
            match packet.first() {
                Some(0) => return Ok(()),
                Some(0xff) => {
                    let error =
                        MySqlError::parse(&packet).ok_or(ConnectError::Protocol("a broken ERR packet"))?;
                    return Err(ConnectError::Origin(error));
                }
                Some(0xfe) => {
                    let mut fields = Fields(&packet[1..]);
                    let name = fields.zero_ended().unwrap_or(b"mysql_old_password");
                    method = Method::named(name)
                        .ok_or_else(|| ConnectError::Method(String::from_utf8_lossy(name).into_owned()))?;
                    nonce = fields.0.strip_suffix(&[0]).unwrap_or(fields.0).to_vec();
                    backend.send_packet(reply, &method.proof(password, &nonce)).await?;
                }
                Some(1) if method == Method::CachingSha2 => match packet.get(1..) {
                    // It remembers us.
                    Some([3]) => {}
                    Some([4]) => self.show(backend, reply, &nonce, password).await?,
                    _ => return Err(ConnectError::Protocol("an unknown step of caching_sha2_password")),
                },
                _ => return Err(ConnectError::Protocol("an unknown step of the login")),
            }
        }
        Err(ConnectError::Protocol("a login without end"))
    }

    /// Hands over the password itself, to be seen by the origin alone.
    async fn show(
        &self,
        backend: &mut Backend,
        sequence: u8,
        nonce: &[u8],
        password: &[u8],
    ) -> Result<(), ConnectError> {
        if backend.socket.is_encrypted() || matches!(backend.socket, Socket::Unix(_)) {
            return backend.send_packet(sequence, &[password, &[0]].concat()).await;
        }
        backend.send_packet(sequence, &[2]).await?;
        let (packet, sequence) = backend.packet().await?;
        let key = packet.strip_prefix(&[1]).ok_or(ConnectError::Protocol("no public key"))?;
        let hidden =
            super::rsa::encrypt(key, &masked(password, nonce), &*self.clock).map_err(ConnectError::Key)?;
        backend.send_packet(sequence.wrapping_add(1), &hidden).await
    }

    /// Looks into the catalogs for the cache, when it is time.
    async fn look(&self, backend: &mut Backend) {
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.enabled() && cache.catalog_is_due())
        else {
            return;
        };
        match backend.rows(Catalog::sql(Dialect::MySql)).await {
            Ok(rows) => {
                let mut catalog = Catalog::new(Dialect::MySql);
                for row in rows {
                    if let [Some(kind), Some(name), definition] = row.as_slice() {
                        catalog.add(kind, name, definition.as_deref());
                    }
                }
                cache.set_catalog(catalog.finish());
            }
            Err(error) => tracing::warn!("the query cache cannot read the catalogs: {error}"),
        }
    }
}

impl Connect for MySqlConnect {
    type Connection = Backend;
    type Error = ConnectError;
    type Kind = ();

    fn plain(&self) {}

    async fn connect(&self, (): &()) -> Result<Backend, ConnectError> {
        let mut backend = self.log_in().await?;
        backend.prepare_session().await?;
        self.look(&mut backend).await;
        Ok(backend)
    }

    fn timed_out(&self) -> ConnectError {
        ConnectError::TimedOut
    }

    fn is_permanent(error: &ConnectError) -> bool {
        match error {
            // Access denied, unknown database, unknown method.
            ConnectError::Origin(error) => {
                matches!(error.code, 1044 | 1045 | 1049 | 1130 | 1251 | 1698 | 3118)
            }
            ConnectError::NoTls | ConnectError::Method(_) | ConnectError::Key(_) => true,
            _ => false,
        }
    }

    fn is_alive(connection: &mut Backend) -> bool {
        connection.buffer.is_empty() && connection.socket.is_quiet()
    }

    fn close(mut connection: Backend) {
        let mut goodbye = Vec::new();
        super::packet::push(&mut goodbye, 0, &[command::QUIT]);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        // What does not go out at once is not said.
        let _ =
            tokio::io::AsyncWrite::poll_write(std::pin::Pin::new(&mut connection.socket), &mut cx, &goodbye);
    }
}

#[cfg(test)]
mod tests;
