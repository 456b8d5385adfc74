//! From a client's first byte to its session.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::cancel::ClientHandle;
use super::config::{ClientAuth, Mode};
use super::console;
use super::error::{PgError, Severity};
use super::kind::{Kind, of_startup};
use super::message::{from_client, from_origin, push, push_parameter, push_ready, push_text, text};
use super::params::{Params, tracked};
use super::reader::{ReadError, Reader};
use super::scram::{Exchange, MECHANISM};
use super::server::{Door, Postgres};
use super::session::{Admitted, Failure, Session};
use super::startup::{BadStart, First, Settings, Startup, read_first};
use crate::Stream;
use crate::pool::Counters;

/// A client may ask for TLS and for GSSAPI before it starts, each once.
const REQUESTS: u32 = 2;

/// Why a client is not let in.
enum Refusal {
    /// It has gone, or has not made itself known in time.
    Gone,
    Told(Failure),
}

impl From<PgError> for Refusal {
    fn from(error: PgError) -> Self {
        Self::Told(Failure::Ours(error))
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(_) => Self::Gone,
            ReadError::Malformed(what) => PgError::protocol(what).into(),
        }
    }
}

/// Speaks with one client until it has gone.
pub(super) async fn serve<S: Stream>(server: Arc<Postgres>, mut client: S) {
    let limit = server.config().login_timeout;
    for _ in 0..=REQUESTS {
        let first = match timeout(limit, read_first(&mut client)).await {
            Ok(Ok(first)) => first,
            Ok(Err(BadStart::Error(error))) => {
                return refuse(&server, &mut client, &Failure::Ours(error)).await;
            }
            Ok(Err(BadStart::Protocol2(message))) => {
                // It would take the length of a later version's message for text.
                let _ = client.write_all(format!("E{message}\0").as_bytes()).await;
                return Counters::one(&server.pool.counters().clients_refused);
            }
            Ok(Err(BadStart::Gone)) | Err(_) => return,
        };
        match first {
            First::Startup(startup) => return let_in(server, client, startup).await,
            First::Cancel { number, secret } => {
                if server.clients.cancel(number, &secret) {
                    Counters::one(&server.pool.counters().cancels);
                }
                return;
            }
            First::Tls if server.config().tls.is_some() => {
                // Boxed: clients without TLS need not have room for it.
                return Box::pin(serve_encrypted(server, client)).await;
            }
            First::Tls | First::GssEncryption => {
                if client.write_all(b"N").await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn serve_encrypted<S: Stream>(server: Arc<Postgres>, mut client: S) {
    let config = server.config();
    let Some(tls) = &config.tls else { return };
    if client.write_all(b"S").await.is_err() {
        return;
    }
    let Ok(Ok(mut client)) = timeout(config.login_timeout, tls.accept(client)).await else { return };
    match timeout(config.login_timeout, read_first(&mut client)).await {
        Ok(Ok(First::Startup(startup))) => let_in(server, client, startup).await,
        Ok(Ok(First::Cancel { number, secret })) => {
            server.clients.cancel(number, &secret);
        }
        Ok(Err(BadStart::Error(error))) => refuse(&server, &mut client, &Failure::Ours(error)).await,
        _ => {}
    }
}

async fn refuse<S: Stream>(server: &Postgres, client: &mut S, failure: &Failure) {
    Counters::one(&server.pool.counters().clients_refused);
    let mut message = Vec::new();
    failure.push_as(&mut message, Severity::Fatal);
    // If it cannot be told it has gone.
    let _ = client.write_all(&message).await;
    let _ = client.shutdown().await;
}

/// Takes the client out of the list however its task ends.
struct Place<'a>(&'a Postgres, Arc<ClientHandle>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.clients.leave(self.1.key.number);
    }
}

async fn let_in<S: Stream>(server: Arc<Postgres>, mut client: S, startup: Startup) {
    // Boxed: the session that follows outlives it.
    let (admitted, place) = match Box::pin(admit(&server, &mut client, startup)).await {
        Ok(Entrance::Session(admitted, place)) => (admitted, place),
        Ok(Entrance::Console(reader)) => {
            return Box::pin(console::serve(&server, &mut client, reader)).await;
        }
        Err(Refusal::Gone) => return,
        Err(Refusal::Told(failure)) => return refuse(&server, &mut client, &failure).await,
    };
    Counters::one(&server.pool.counters().clients_accepted);
    Session::new(client, Arc::clone(&server), admitted).run().await;
    drop(place);
}

/// Where a client was let in.
enum Entrance<'a> {
    Session(Admitted, Place<'a>),
    /// With what it has sent already.
    Console(Reader),
}

async fn admit<'a, S: Stream>(
    server: &'a Arc<Postgres>,
    client: &mut S,
    startup: Startup,
) -> Result<Entrance<'a>, Refusal> {
    let config = server.config();
    let mut reader = Reader::new();
    let door = server.door();
    let knocking = knock(server, &door, client, &mut reader, &startup);
    timeout(config.login_timeout, knocking).await.map_err(|_| Refusal::Gone)??;
    if startup.replication {
        return Err(PgError::fatal(*b"0A000", "replication is not supported by Hyperdrive").into());
    }
    let database = if startup.database.is_empty() { &startup.user } else { &startup.database };
    if **database != *door.credential.database.as_bytes() {
        if config.console && console::is_name(database) {
            return Ok(Entrance::Console(reader));
        }
        let name = String::from_utf8_lossy(database);
        return Err(PgError::fatal(*b"3D000", format!("database \"{name}\" does not exist")).into());
    }
    let (params, kind) = settings(server, startup.settings, config.mode).await?;
    let Some(handle) = server.clients.enter(&*server.clock) else {
        return Err(PgError::shutting_down().into());
    };
    let place = Place(server, Arc::clone(&handle));

    let mut greeting = Vec::new();
    push(&mut greeting, from_origin::AUTHENTICATION, |out| out.extend_from_slice(&0u32.to_be_bytes()));
    for (name, value) in params.iter() {
        push_parameter(&mut greeting, name, value);
    }
    push(&mut greeting, from_origin::BACKEND_KEY_DATA, |out| {
        out.extend_from_slice(&handle.key.number.to_be_bytes());
        // Before 3.2 there is room for four bytes.
        let secret = if startup.minor >= 2 { &handle.key.secret[..] } else { &handle.key.secret[..4] };
        out.extend_from_slice(secret);
    });
    push_ready(&mut greeting, b'I');
    client.write_all(&greeting).await.map_err(|_| Refusal::Gone)?;
    client.flush().await.map_err(|_| Refusal::Gone)?;
    let inbox = reader.into_rest();
    Ok(Entrance::Session(Admitted { handle, mode: config.mode, params, kind, inbox }, place))
}

/// The settings the client will see, and the kind of connection it asks for.
async fn settings(server: &Postgres, asked: Settings, mode: Mode) -> Result<(Arc<Params>, Kind), Refusal> {
    let table = &server.params;
    let kind = Kind { settings: table.intern(of_startup(&asked)), exact: mode == Mode::Session };
    let mut known = table.reported(&kind.settings);
    if known.is_none() && (kind.exact || server.pool.has_room()) {
        // What the origin makes of them is known when it has opened such a connection; if it will not, the client is
        // told now, as it would be without a pool.
        known = first_of(server, &kind).await?;
    }
    let somewhat_known = known.clone().or_else(|| table.reported(&table.plain));
    let mut params = if let Some(params) = somewhat_known {
        params
    } else {
        let plain = Kind { settings: Arc::clone(&table.plain), exact: true };
        first_of(server, &plain).await?.ok_or(Refusal::Gone)?
    };
    for (name, value) in &asked {
        if let Some(name) = tracked(name)
            && (name == b"application_name" || (known.is_none() && kind.settings.has(name)))
        {
            params = table.with(&params, name, value).unwrap_or(params);
        }
    }
    Ok((params, kind))
}

/// Has a connection of this kind opened. Returns what it reports, if the origin did open one.
async fn first_of(server: &Postgres, kind: &Kind) -> Result<Option<Arc<Params>>, Refusal> {
    let lease = server.pool.acquire(kind).await.map_err(|error| Refusal::Told(error.into()))?;
    let is_new = Arc::ptr_eq(&lease.defaults, &kind.settings);
    let params = server.params.reported(&kind.settings).or_else(|| is_new.then(|| Arc::clone(&lease.params)));
    lease.give_back();
    Ok(params)
}

/// Lets the client show who it is.
async fn knock<S: Stream>(
    server: &Postgres,
    door: &Door,
    client: &mut S,
    reader: &mut Reader,
    startup: &Startup,
) -> Result<(), Refusal> {
    let mut out = Vec::new();
    if startup.asks_for_more {
        push(&mut out, from_origin::NEGOTIATE, |out| {
            out.extend_from_slice(&(3 << 16 | startup.minor).to_be_bytes());
            let count = u32::try_from(startup.extensions.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&count.to_be_bytes());
            for extension in &startup.extensions {
                push_text(out, extension);
            }
        });
    }
    let known = *startup.user == *door.credential.user.as_bytes();
    let wrong = || {
        let user = String::from_utf8_lossy(&startup.user);
        PgError::fatal(*b"28P01", format!("password authentication failed for user \"{user}\""))
    };
    match door.credential.auth {
        ClientAuth::Trust => {
            send(client, &out).await?;
            if known { Ok(()) } else { Err(wrong().into()) }
        }
        ClientAuth::Cleartext => {
            push(&mut out, from_origin::AUTHENTICATION, |out| out.extend_from_slice(&3u32.to_be_bytes()));
            send(client, &out).await?;
            let password = text(response(client, reader).await?).ok_or_else(wrong)?.0;
            let right = same(password, door.credential.password.as_bytes());
            if known && right { Ok(()) } else { Err(wrong().into()) }
        }
        ClientAuth::ScramSha256 => {
            push(&mut out, from_origin::AUTHENTICATION, |out| {
                out.extend_from_slice(&10u32.to_be_bytes());
                push_text(out, MECHANISM.as_bytes());
                out.push(0);
            });
            send(client, &out).await?;
            scram(server, door, client, reader, known).await.map_err(|refusal| match refusal {
                ScramRefusal::WrongPassword => wrong().into(),
                ScramRefusal::Other(refusal) => refusal,
            })
        }
    }
}

enum ScramRefusal {
    WrongPassword,
    Other(Refusal),
}

impl<E: Into<Refusal>> From<E> for ScramRefusal {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

async fn scram<S: Stream>(
    server: &Postgres,
    door: &Door,
    client: &mut S,
    reader: &mut Reader,
    known: bool,
) -> Result<(), ScramRefusal> {
    let malformed = |what: &str| PgError::protocol(format!("malformed SCRAM message: {what}"));
    let (mechanism, rest) = text(response(client, reader).await?).ok_or_else(|| malformed("no mechanism"))?;
    if mechanism != MECHANISM.as_bytes() {
        return Err(PgError::protocol("client selected an invalid SASL authentication mechanism").into());
    }
    let Some((_, first)) = rest.split_first_chunk::<4>() else { return Err(malformed("no data").into()) };
    let explain = |error| match error {
        super::scram::ScramError::Malformed(what) => ScramRefusal::from(malformed(what)),
        super::scram::ScramError::WrongPassword => ScramRefusal::WrongPassword,
    };
    // Somebody unknown fails at the end, like somebody with a wrong password.
    let exchange = Exchange::start(&door.verifier, first, &*server.clock).map_err(explain)?;
    let mut out = Vec::new();
    push(&mut out, from_origin::AUTHENTICATION, |out| {
        out.extend_from_slice(&11u32.to_be_bytes());
        out.extend_from_slice(exchange.server_first());
    });
    send(client, &out).await?;
    let last = exchange.finish(response(client, reader).await?).map_err(explain)?;
    if !known {
        return Err(ScramRefusal::WrongPassword);
    }
    out.clear();
    push(&mut out, from_origin::AUTHENTICATION, |out| {
        out.extend_from_slice(&12u32.to_be_bytes());
        out.extend_from_slice(&last);
    });
    send(client, &out).await?;
    Ok(())
}

/// The client's answer to a request for authentication.
async fn response<'a, S: Stream>(client: &mut S, reader: &'a mut Reader) -> Result<&'a [u8], Refusal> {
    match reader.message(client).await? {
        (from_client::PASSWORD, body) => Ok(body),
        (from_client::TERMINATE, _) => Err(Refusal::Gone),
        (kind, _) => {
            Err(PgError::protocol(format!("expected password response, got message type {kind}")).into())
        }
    }
}

async fn send<S: Stream>(client: &mut S, bytes: &[u8]) -> Result<(), Refusal> {
    client.write_all(bytes).await.map_err(|_| Refusal::Gone)?;
    client.flush().await.map_err(|_| Refusal::Gone)
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::config::{Credential, PostgresConfig};
    use super::*;
    use crate::Origin;
    use crate::pool::PoolConfig;

    /// What is kept of a client would keep its whole task.
    #[tokio::test]
    async fn nothing_is_kept_of_a_client_that_has_gone() {
        let origin = Origin::parse("postgres://u:p@localhost/d?host=/nonexistent").unwrap();
        let credential = Credential {
            user: "u".to_owned(),
            password: String::new(),
            database: "d".to_owned(),
            auth: ClientAuth::Trust,
        };
        let config = PostgresConfig::default();
        let server =
            Postgres::new(origin, credential, config, PoolConfig::default(), None, SystemClock::shared());
        let server = server.unwrap();
        server.params.set_reported(&server.params.plain, &server.params.intern([]));
        let (mut client, theirs) = tokio::io::duplex(4096);
        let serving = tokio::spawn(serve(Arc::clone(&server), theirs));
        client.write_all(b"\0\0\0\x1b\0\x03\0\0user\0u\0database\0d\0\0").await.unwrap();
        while client.read_u8().await.unwrap() != b'Z' {}
        let handle = server.clients.any().unwrap();
        assert!(handle.strong_count() > 0);
        drop(client);
        serving.await.unwrap();
        assert_eq!((handle.strong_count(), server.clients.count()), (0, 0));
    }
}
