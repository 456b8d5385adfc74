//! Making a connection clean again between two clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::backend::Backend;
use super::config::Reset;
use super::connect::{ConnectError, PgConnect};
use super::error::OriginMessage;
use super::message::{from_origin, push_query, text};
use super::reader::Reader;
use super::sql::Effects;
use crate::pool::Lease;

/// A connection that takes longer is closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Gives back a connection that is at rest, at once or when it is clean.
pub(super) fn give_back(mut lease: Lease<PgConnect>, policy: Reset) {
    if policy == Reset::Always {
        lease.dirty |= Effects::SESSION;
    }
    if lease.dirty.contains(Effects::CONNECTION) {
        return lease.retire();
    }
    if lease.dirty == Effects::NONE && !lease.key.is_being_cancelled() {
        return lease.give_back();
    }
    lease.activity().idle();
    tokio::spawn(async move {
        match timeout(PATIENCE, clean(&mut lease)).await {
            Ok(Ok(())) => lease.give_back(),
            Ok(Err(error)) => tracing::warn!("a connection that could not be reset is closed: {error}"),
            Err(_) => tracing::warn!("a connection that did not reset in time is closed"),
        }
    });
}

async fn clean(backend: &mut Backend) -> Result<(), ConnectError> {
    backend.key.settled().await;
    let sql: &[u8] = if backend.dirty.contains(Effects::SESSION) {
        b"DISCARD ALL"
    } else if backend.dirty.contains(Effects::SETTINGS) {
        b"SET SESSION AUTHORIZATION DEFAULT; RESET ALL"
    } else {
        b""
    };
    match query(backend, sql).await {
        // A cancel request that came late.
        Err(ConnectError::Origin(error)) if error.code() == b"57014" => query(backend, sql).await?,
        result => result?,
    }
    if backend.dirty.contains(Effects::SESSION) {
        backend.prepared.clear();
        backend.stale.clear();
    }
    if backend.dirty != Effects::NONE {
        backend.extras = backend.table.intern([]);
    }
    backend.dirty = Effects::NONE;
    Ok(())
}

/// A query without rows.
async fn query(backend: &mut Backend, sql: &[u8]) -> Result<(), ConnectError> {
    let mut message = Vec::new();
    push_query(&mut message, sql);
    backend.socket.write_all(&message).await.map_err(ConnectError::Lost)?;
    let mut reader = Reader::new();
    let mut failure = None;
    loop {
        let (kind, body) = reader.message(&mut backend.socket).await?;
        match kind {
            from_origin::PARAMETER_STATUS => {
                let value = text(body).and_then(|(name, rest)| Some((name, text(rest)?.0)));
                let (name, value) = value.ok_or(ConnectError::Protocol("ParameterStatus"))?;
                backend.params = Arc::clone(&backend.table).with(&backend.params, name, value);
            }
            from_origin::COMMAND_COMPLETE
            | from_origin::EMPTY_QUERY
            | from_origin::NOTICE
            | from_origin::NOTIFICATION => {}
            from_origin::ERROR => failure = Some(OriginMessage::new(body)),
            from_origin::READY if body == b"I" => break,
            _ => return Err(ConnectError::Protocol("a message out of turn while resetting")),
        }
    }
    if !reader.is_empty() {
        return Err(ConnectError::Protocol("a message after resetting"));
    }
    failure.map_or(Ok(()), |failure| Err(ConnectError::Origin(failure)))
}
