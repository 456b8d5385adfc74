//! From a client's first byte to its session.

use std::sync::Arc;

use tokio::time::timeout;

use super::auth::{Method, nonce, same};
use super::clients::Handle;
use super::error::MySqlError;
use super::greeting::{Greeting, Response, ok, switch_request};
use super::server::MySql;
use super::session::{Client, Session};
use super::settings::{Settings, ignore_space, names_of};
use super::wire::{capability, status};
use crate::Stream;
use crate::pool::Counters;

/// The longest packet of a client that is not logged in.
const LONGEST: usize = 64 * 1024;

/// Why a client is not let in.
enum Refusal {
    /// It has gone, or has not made itself known in time.
    Gone,
    Told(u8, MySqlError),
}

/// What a client turned out to be.
pub(super) struct Admitted {
    pub(super) handle: Arc<Handle>,
    pub(super) settings: Arc<Settings>,
    pub(super) found_rows: bool,
}

/// Takes the client out of the list however its task ends.
struct Place<'a>(&'a MySql, u32);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.clients.leave(self.1);
    }
}

/// Speaks with one client until it has gone.
pub(super) async fn serve<S: Stream>(server: Arc<MySql>, client: S) {
    let mut client = Client::new(client);
    let Some(handle) = server.clients.enter() else {
        return refuse(&server, &mut client, 0, &MySqlError::shutting_down()).await;
    };
    let place = Place(&server, handle.number);
    let version = match server.version().await {
        Ok(version) => version,
        Err(error) => return refuse(&server, &mut client, 0, &super::session::failure(&error)).await,
    };
    let config = server.config();
    let nonce = nonce(&*server.clock);
    let mut capabilities = capability::COMMON
        | capability::FOUND_ROWS
        | capability::IGNORE_SPACE
        | capability::CONNECT_WITH_DATABASE
        | capability::LONG_AUTH_DATA
        | capability::CONNECT_ATTRIBUTES;
    if config.tls.is_some() {
        capabilities |= capability::TLS;
    }
    let greeting = Greeting {
        version: version.to_string(),
        connection: handle.number,
        nonce: nonce.to_vec(),
        capabilities,
        charset: super::connect::CHARSET,
        method: Method::Native.name().into(),
    };
    let greeted = async {
        client.send(0, &greeting.payload()).await.map_err(|_| Refusal::Gone)?;
        client.packet(LONGEST).await.map_err(|_| Refusal::Gone)
    };
    let Ok(Ok((first, sequence))) = timeout(config.login_timeout, greeted).await else { return };
    if let Some(tls) = config.tls.as_ref().filter(|_| Response::asks_for_tls(&first)) {
        // Boxed: clients without TLS need not have room for it.
        let encrypted = Box::pin(async {
            let stream = client.into_stream()?;
            let stream = timeout(config.login_timeout, tls.accept(stream)).await.ok()?.ok()?;
            let mut client = Client::new(stream);
            let (first, sequence) = timeout(config.login_timeout, client.packet(LONGEST)).await.ok()?.ok()?;
            Some((client, first, sequence))
        });
        if let Some((client, first, sequence)) = encrypted.await {
            Box::pin(let_in(&server, client, handle, &nonce, (&first, sequence))).await;
        }
    } else {
        let_in(&server, client, handle, &nonce, (&first, sequence)).await;
    }
    drop(place);
}

async fn refuse<S: Stream>(server: &MySql, client: &mut Client<S>, sequence: u8, error: &MySqlError) {
    Counters::one(&server.pool().counters().clients_refused);
    // If it cannot be told it has gone.
    let _ = client.send(sequence, &error.payload()).await;
    client.close().await;
}

async fn let_in<S: Stream>(
    server: &Arc<MySql>,
    mut client: Client<S>,
    handle: Arc<Handle>,
    nonce: &[u8],
    first: (&[u8], u8),
) {
    let knocking = admit(server, &mut client, handle, nonce, first);
    match timeout(server.config().login_timeout, knocking).await {
        Ok(Ok(admitted)) => {
            Counters::one(&server.pool().counters().clients_accepted);
            match Session::new(client, Arc::clone(server), admitted) {
                Ok(session) => session.run().await,
                Err(error) => tracing::error!("a client cannot be served: {error}"),
            }
        }
        Ok(Err(Refusal::Told(sequence, error))) => refuse(server, &mut client, sequence, &error).await,
        Ok(Err(Refusal::Gone)) | Err(_) => {}
    }
}

async fn admit<S: Stream>(
    server: &MySql,
    client: &mut Client<S>,
    handle: Arc<Handle>,
    nonce: &[u8],
    (first, mut sequence): (&[u8], u8),
) -> Result<Admitted, Refusal> {
    let credential = server.credential();
    let next = |sequence: u8| sequence.wrapping_add(1);
    let response =
        Response::parse(first).ok_or_else(|| Refusal::Told(next(sequence), MySqlError::malformed()))?;
    let (mut method, mut proof) = (Method::named(&response.method), response.proof.clone());
    if response.capabilities & capability::PLUGIN_AUTH == 0 {
        method = Some(Method::Native);
    }
    if method.is_none() || (proof.is_empty() && !credential.password.is_empty()) {
        let wanted = method.unwrap_or(Method::CachingSha2);
        client.send(next(sequence), &switch_request(wanted, nonce)).await.map_err(|_| Refusal::Gone)?;
        let (packet, theirs) = client.packet(LONGEST).await.map_err(|_| Refusal::Gone)?;
        (method, proof, sequence) = (Some(wanted), packet, theirs);
    }
    let method = method.unwrap_or(Method::CachingSha2);
    let expected = method.proof(credential.password.as_bytes(), nonce);
    // Some clients send an empty proof as one zero.
    let proof = if proof == [0] { Vec::new() } else { proof };
    let known = response.user == credential.user.as_bytes();
    if !same(&proof, &expected) || !known {
        let user = String::from_utf8_lossy(&response.user);
        return Err(Refusal::Told(next(sequence), MySqlError::access_denied(&user, !proof.is_empty())));
    }
    let database = &response.database;
    if !database.is_empty() && database != credential.database.as_bytes() {
        let name = String::from_utf8_lossy(database);
        return Err(Refusal::Told(next(sequence), MySqlError::unknown_database(&name)));
    }
    let mut out = Vec::new();
    if method == Method::CachingSha2 && !proof.is_empty() {
        // The proof is enough: as if we had seen the password before.
        sequence = super::packet::push(&mut out, next(sequence), &[1, 3]).wrapping_sub(1);
    }
    super::packet::push(&mut out, next(sequence), &ok(status::AUTOCOMMIT));
    client.write(&out).await.map_err(|_| Refusal::Gone)?;
    let mut first: Vec<_> = names_of(response.charset).into_iter().collect();
    if response.capabilities & capability::IGNORE_SPACE != 0 {
        first.push(ignore_space());
    }
    let settings = (!first.is_empty()).then(|| Settings::none().with(&first)).flatten();
    Ok(Admitted {
        handle,
        settings: settings.map_or_else(Settings::none, Arc::new),
        found_rows: response.capabilities & capability::FOUND_ROWS != 0,
    })
}
