//! Making a connection clean again between two clients, and asking it something of our own.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::backend::Backend;
use super::config::Reset;
use super::connect::{ConnectError, PgConnect};
use super::error::OriginMessage;
use super::message::{HEADER, from_origin, push_query, text};
use super::reader::Reader;
use super::sql::Effects;
use crate::pool::Lease;

/// A connection that takes longer is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer to a query of ours may have so many bytes, over all.
const LONGEST_ANSWER: usize = 64 << 20;

/// Gives back a connection that is at rest, at once or when it is clean.
pub(super) fn give_back(mut lease: Lease<PgConnect>, policy: Reset) {
    if policy == Reset::Always {
        lease.dirty |= Effects::SESSION;
    }
    if policy == Reset::Close || lease.dirty.contains(Effects::CONNECTION) {
        return lease.retire();
    }
    if lease.dirty == Effects::NONE && !lease.key.is_being_cancelled() {
        return lease.give_back();
    }
    lease.activity().idle();
    tokio::spawn(async move {
        let cleaned = timeout(PATIENCE, clean(&mut lease)).await;
        lease.give_back_if(cleaned);
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
    match rows(backend, sql).await {
        // A cancel request that came late.
        Err(ConnectError::Origin(error)) if error.code() == b"57014" => rows(backend, sql).await?,
        result => result?,
    };
    if backend.dirty.contains(Effects::SESSION) {
        backend.prepared.clear();
        backend.stale.clear();
    }
    if backend.dirty != Effects::NONE {
        backend.in_force = Arc::clone(&backend.defaults);
    }
    backend.dirty = Effects::NONE;
    Ok(())
}

type Row = Vec<Option<String>>;

/// The rows that a query of ours gives.
pub(super) async fn rows(backend: &mut Backend, sql: &[u8]) -> Result<Vec<Row>, ConnectError> {
    let mut message = Vec::new();
    push_query(&mut message, sql);
    backend.socket.write_all(&message).await.map_err(ConnectError::Lost)?;
    let mut reader = Reader::new();
    let mut failure = None;
    let mut rows = Vec::new();
    let mut left = LONGEST_ANSWER;
    loop {
        let (kind, body) = reader.message(&mut backend.socket).await?;
        left = left
            .checked_sub(HEADER + body.len())
            .ok_or(ConnectError::Protocol("more than 64 MB in answer to a query of ours"))?;
        match kind {
            from_origin::PARAMETER_STATUS => {
                let value = text(body).and_then(|(name, rest)| Some((name, text(rest)?.0)));
                let (name, value) = value.ok_or(ConnectError::Protocol("ParameterStatus"))?;
                backend.params = Arc::clone(&backend.table)
                    .with(&backend.params, name, value)
                    .ok_or(ConnectError::Protocol("more settings than there are"))?;
            }
            from_origin::DATA_ROW => rows.push(row(body).ok_or(ConnectError::Protocol("DataRow"))?),
            from_origin::ROW_DESCRIPTION
            | from_origin::COMMAND_COMPLETE
            | from_origin::EMPTY_QUERY
            | from_origin::NOTICE
            | from_origin::NOTIFICATION => {}
            from_origin::ERROR => failure = Some(OriginMessage::new(body)),
            from_origin::READY if body == b"I" => break,
            _ => return Err(ConnectError::Protocol("a message out of turn in answer to a query of ours")),
        }
    }
    if !reader.is_empty() {
        return Err(ConnectError::Protocol("a message after the answer to a query of ours"));
    }
    failure.map_or(Ok(rows), |failure| Err(ConnectError::Origin(failure)))
}

fn row(body: &[u8]) -> Option<Row> {
    let (count, mut rest) = body.split_first_chunk()?;
    (0..u16::from_be_bytes(*count))
        .map(|_| {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            let (value, after) = after.split_at_checked(length.unwrap_or(0))?;
            rest = after;
            Some(length.map(|_| String::from_utf8_lossy(value).into_owned()))
        })
        .collect()
}
