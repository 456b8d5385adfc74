//! Opening a connection to the origin: TLS, startup, authentication.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::backend::Backend;
use super::cancel::{BackendKey, Destination};
use super::error::{OriginMessage, PgError};
use super::kind::Kind;
use super::message::{self, from_client, from_origin, push, push_text};
use super::params::{MOST, ParamTable, Params};
use super::reader::{ReadError, Reader};
use crate::Origin;
use crate::net::{DialError, Socket, TlsClient, TlsError, TlsMode, dial};
use crate::pool::{Connect, Fit};

const PROTOCOL: u32 = 3 << 16;
const SSL_REQUEST: u32 = 80_877_103;
/// What the origin shows in `pg_stat_activity` until a client brings a name of its own.
const APPLICATION_NAME: &[u8] = b"selvedge";

/// Why the origin did not give us a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to {0}")]
    Dial(#[from] DialError),
    #[error("the origin does not support TLS, and sslmode asks for it")]
    TlsUnsupported,
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    #[error("the connection was lost while logging in: {0}")]
    Lost(#[source] io::Error),
    /// The origin's own words.
    #[error("{0}")]
    Origin(OriginMessage),
    /// Its words about the settings that it was asked to open the connection with.
    #[error("{0}")]
    Settings(OriginMessage),
    #[error("the origin does not speak PostgreSQL's protocol 3: {0}")]
    Protocol(&'static str),
    #[error(
        "the origin asks for {0} authentication, which is not supported: use SCRAM-SHA-256, md5 or a password"
    )]
    Authentication(&'static str),
    #[error("SCRAM: {0}")]
    Scram(#[source] io::Error),
    #[error("the origin did not answer within the connect limit")]
    TimedOut,
}

impl ConnectError {
    /// As the client sees it. The origin's errors are passed on by the caller, unchanged.
    pub(super) fn to_pg(&self) -> PgError {
        let word = match self {
            Self::Dial(error) => error.word(),
            Self::TlsUnsupported => "tls_unsupported",
            Self::Tls(_) => "tls_failed",
            Self::Lost(_) => "connection_reset",
            Self::Protocol(_) => "protocol_error",
            Self::Authentication(_) | Self::Scram(_) => "authentication_failed",
            Self::TimedOut => "timeout",
            Self::Origin(_) | Self::Settings(_) => "refused",
        };
        PgError::unreachable(word, self.to_string())
    }
}

impl From<ReadError> for ConnectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Lost(error),
            ReadError::Malformed(what) => Self::Protocol(what),
        }
    }
}

/// The way to one origin.
#[derive(Debug)]
pub struct PgConnect {
    origin: Arc<Origin>,
    destination: Arc<Destination>,
    params: Arc<ParamTable>,
}

impl PgConnect {
    pub(super) fn new(origin: Origin, params: Arc<ParamTable>) -> Result<Self, TlsError> {
        let tls = TlsClient::new(&origin.tls, &origin.host)?;
        let host = if origin.host.starts_with('/') {
            format!("{}/.s.PGSQL.{}", origin.host.trim_end_matches('/'), origin.port)
        } else {
            origin.host.clone()
        };
        let optional = origin.tls.mode == TlsMode::Prefer;
        let destination = Arc::new(Destination { host, port: origin.port, tls, tls_is_optional: optional });
        Ok(Self { origin: Arc::new(origin), destination, params })
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it goes to this origin already. One with certificates in files is never sure: they may be new.
    pub(super) fn is_for(&self, origin: &Origin) -> bool {
        let tls = &origin.tls;
        *self.origin == *origin && tls.root_certificates.is_none() && tls.certificate.is_none()
    }

    fn startup(&self, settings: &Params) -> Vec<u8> {
        let mut packet = vec![0; 4];
        packet.extend_from_slice(&PROTOCOL.to_be_bytes());
        let encoding = (&b"client_encoding"[..], &b"UTF8"[..]);
        for (name, value) in [
            (&b"user"[..], &*self.origin.user_name()),
            (b"database", &self.origin.database_name()),
            (b"application_name", APPLICATION_NAME),
        ]
        .into_iter()
        .chain(settings.iter())
        .chain((!settings.has(encoding.0)).then_some(encoding))
        {
            push_text(&mut packet, name);
            push_text(&mut packet, value);
        }
        packet.push(0);
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        packet[..4].copy_from_slice(&length.to_be_bytes());
        packet
    }
}

impl Destination {
    /// An open connection, encrypted if it has to be, on which nothing has been said yet.
    pub(super) async fn open(&self) -> Result<Socket, ConnectError> {
        let mut socket = dial(&self.host, self.port).await?;
        let Some(tls) = &self.tls else { return Ok(socket) };
        let request = [8u32.to_be_bytes(), SSL_REQUEST.to_be_bytes()].concat();
        socket.write_all(&request).await.map_err(ConnectError::Lost)?;
        // One byte and no more: what somebody has put behind it in plain text must not pass for encrypted.
        match socket.read_u8().await.map_err(ConnectError::Lost)? {
            b'S' => tls.handshake(socket).await.map_err(ConnectError::Tls),
            b'N' if self.tls_is_optional => Ok(socket),
            b'N' => Err(ConnectError::TlsUnsupported),
            _ => Err(ConnectError::Protocol("no answer to SSLRequest")),
        }
    }
}

impl PgConnect {
    /// A connection that was opened with these settings.
    async fn open(&self, settings: &Arc<Params>) -> Result<Backend, ConnectError> {
        let mut socket = self.destination.open().await?;
        socket.write_all(&self.startup(settings)).await.map_err(ConnectError::Lost)?;
        let mut reader = Reader::new();
        authenticate(&mut socket, &mut reader, &self.origin).await?;
        let mut params = Vec::new();
        let mut key = None;
        loop {
            let (kind, body) = reader.message(&mut socket).await?;
            match kind {
                from_origin::PARAMETER_STATUS => {
                    let (name, rest) =
                        message::text(body).ok_or(ConnectError::Protocol("ParameterStatus"))?;
                    let (value, _) = message::text(rest).ok_or(ConnectError::Protocol("ParameterStatus"))?;
                    if params.len() == MOST {
                        return Err(ConnectError::Protocol("more settings than there are"));
                    }
                    params.push((name.into(), value.into()));
                }
                from_origin::BACKEND_KEY_DATA => {
                    let (pid, secret) =
                        body.split_first_chunk().ok_or(ConnectError::Protocol("BackendKeyData"))?;
                    key = Some((*pid, Box::from(secret)));
                }
                from_origin::NOTICE | from_origin::NEGOTIATE => {}
                from_origin::ERROR => return Err(ConnectError::Origin(OriginMessage::new(body))),
                from_origin::READY => break,
                _ => return Err(ConnectError::Protocol("a message out of turn at startup")),
            }
        }
        if !reader.is_empty() {
            return Err(ConnectError::Protocol("a message after startup"));
        }
        let key = Arc::new(BackendKey::new(Arc::clone(&self.destination), key));
        let params = self.params.intern(params);
        self.params.set_reported(settings, &params);
        Ok(Backend::new(socket, key, params, Arc::clone(settings), Arc::clone(&self.params)))
    }
}

impl Connect for PgConnect {
    type Connection = Backend;
    type Error = ConnectError;
    type Kind = Kind;

    fn plain(&self) -> Kind {
        Kind { settings: Arc::clone(&self.params.plain), exact: false }
    }

    fn fit(of: &Kind, wanted: &Kind) -> Fit {
        of.fit(wanted)
    }

    async fn connect(&self, kind: &Kind) -> Result<Backend, ConnectError> {
        match self.open(&kind.settings).await {
            Err(ConnectError::Origin(error)) if !kind.settings.is_empty() => match error.code() {
                // A pooler, which takes no settings at startup. They are made for the client afterwards.
                b"08P01" => self.open(&self.params.plain).await,
                [b'2' | b'4', b'2', ..] | b"0A000" | b"55P02" => Err(ConnectError::Settings(error)),
                _ => Err(ConnectError::Origin(error)),
            },
            result => result,
        }
    }

    fn is_about_kind(error: &ConnectError) -> bool {
        matches!(error, ConnectError::Settings(_))
    }

    fn timed_out(&self) -> ConnectError {
        ConnectError::TimedOut
    }

    fn is_permanent(error: &ConnectError) -> bool {
        match error {
            ConnectError::Dial(_) | ConnectError::Lost(_) | ConnectError::TimedOut => false,
            // It is starting, stopping or full.
            ConnectError::Origin(message) => !matches!(message.code(), [b'5', b'3' | b'7', ..]),
            _ => true,
        }
    }

    fn is_alive(backend: &mut Backend) -> bool {
        backend.socket.is_quiet()
    }

    fn close(mut backend: Backend) {
        let mut cx = Context::from_waker(Waker::noop());
        // If it does not go out now the origin finds the connection closed, which is as good.
        let _ = Pin::new(&mut backend.socket).poll_write(&mut cx, message::TERMINATE);
    }
}

async fn authenticate(socket: &mut Socket, reader: &mut Reader, origin: &Origin) -> Result<(), ConnectError> {
    let mut scram: Option<ScramSha256> = None;
    loop {
        let (kind, body) = reader.message(socket).await?;
        match kind {
            from_origin::AUTHENTICATION => {}
            from_origin::ERROR => return Err(ConnectError::Origin(OriginMessage::new(body))),
            from_origin::NOTICE | from_origin::NEGOTIATE => continue,
            _ => return Err(ConnectError::Protocol("a message out of turn before authentication")),
        }
        let (method, data) =
            body.split_first_chunk().ok_or(ConnectError::Protocol("an authentication request"))?;
        let mut reply = Vec::new();
        match (u32::from_be_bytes(*method), &mut scram) {
            (0, _) => return Ok(()),
            (3, _) => push(&mut reply, from_client::PASSWORD, |out| push_text(out, &origin.password_bytes())),
            (5, _) => {
                let salt = data.try_into().map_err(|_| ConnectError::Protocol("an md5 salt"))?;
                let hash = md5_hash(&origin.user_name(), &origin.password_bytes(), salt);
                push(&mut reply, from_client::PASSWORD, |out| push_text(out, hash.as_bytes()));
            }
            (10, None) => {
                let (mechanism, exchange) = start_scram(socket, data, origin)?;
                let first = exchange.message();
                push(&mut reply, from_client::PASSWORD, |out| {
                    push_text(out, mechanism.as_bytes());
                    out.extend_from_slice(&u32::try_from(first.len()).unwrap_or(0).to_be_bytes());
                    out.extend_from_slice(first);
                });
                scram = Some(exchange);
            }
            (11, Some(exchange)) => {
                exchange.update(data).map_err(ConnectError::Scram)?;
                push(&mut reply, from_client::PASSWORD, |out| out.extend_from_slice(exchange.message()));
            }
            (12, Some(exchange)) => {
                exchange.finish(data).map_err(ConnectError::Scram)?;
                continue;
            }
            (2, _) => return Err(ConnectError::Authentication("Kerberos")),
            (7 | 8, _) => return Err(ConnectError::Authentication("GSSAPI")),
            (9, _) => return Err(ConnectError::Authentication("SSPI")),
            _ => return Err(ConnectError::Authentication("an unknown kind of")),
        }
        socket.write_all(&reply).await.map_err(ConnectError::Lost)?;
    }
}

fn start_scram(
    socket: &Socket,
    offered: &[u8],
    origin: &Origin,
) -> Result<(&'static str, ScramSha256), ConnectError> {
    let offers = |name: &str| offered.split(|&byte| byte == 0).any(|mechanism| mechanism == name.as_bytes());
    let password = origin.password_bytes();
    if offers(SCRAM_SHA_256_PLUS)
        && let Some(hash) = socket.channel_binding()
    {
        let binding = ChannelBinding::tls_server_end_point(hash);
        return Ok((SCRAM_SHA_256_PLUS, ScramSha256::new(&password, binding)));
    }
    if offers(SCRAM_SHA_256) {
        // "We could have": an attacker who took the binding from the offer is found out. Not if it was we who could
        // not use what was offered.
        let binding = if socket.channel_binding().is_some() {
            ChannelBinding::unrequested()
        } else {
            ChannelBinding::unsupported()
        };
        return Ok((SCRAM_SHA_256, ScramSha256::new(&password, binding)));
    }
    Err(ConnectError::Authentication("a SASL mechanism other than SCRAM-SHA-256 for"))
}
