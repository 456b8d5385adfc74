//! Requests that are answered from the cache, without a connection.

use super::super::caching::{Batch, Caching, NoBatch, Recorder, refresh};
use super::super::config::Mode;
use super::super::message::{PARSE_COMPLETE, text};
use super::super::names::Unnamed;
use super::super::sql::Effects;
use super::Session;
use super::tell::Message;
use crate::Stream;
use crate::cache::{Answer, Lookup};
use crate::pool::Counters;

const BIND_COMPLETE: &[u8] = b"2\0\0\0\x04";
const READY: &[u8] = b"Z\0\0\0\x05I";

/// Requests up to this length are waited for: many drivers write one message at a time. Nothing is due to a client
/// before its Sync or Flush.
const AWAITED: usize = 16 * 1024;

/// What the cache makes of an extended query.
pub(super) enum Batched {
    /// It has answered so many bytes.
    Answered(usize),
    /// There may be an answer when the rest is here.
    NotYet,
    No,
}

impl<S: Stream> Session<S> {
    /// The cache, if it may answer now: no transaction is open, and nothing else waits for its answer.
    pub(super) fn caching(&self) -> Option<&Caching> {
        let may = self.lease.is_none()
            && self.recorder.is_none()
            && self.mode == Mode::Transaction
            && !self.is_refresh;
        self.server.caching.as_ref().filter(|_| may)
    }

    /// True if the cache has answered a simple query.
    pub(super) fn answer_query(&mut self, message: Message<'_>) -> bool {
        let Some(caching) = self.caching() else { return false };
        let Some((sql, [])) = text(message.body()) else { return false };
        match caching.lookup(&self.server, &self.params, &self.kind.settings, sql, None) {
            None => return false,
            Some(Lookup::Miss(fill)) => {
                self.recorder = Some(Box::new(Recorder::new(fill)));
                return false;
            }
            Some(Lookup::Hit(answer)) => self.replay(&answer),
            Some(Lookup::Stale(answer, fill)) => {
                self.replay(&answer);
                if let Some(fill) = fill {
                    self.refresh(message.bytes.to_vec(), Recorder::new(fill));
                }
            }
        }
        self.names.forget_unnamed();
        true
    }

    /// Answers the extended query at the start of `bytes` from the cache, if it can be.
    pub(super) fn answer_batch(&mut self, bytes: &[u8]) -> Batched {
        if !self.caching().is_some_and(|caching| caching.cache.enabled()) {
            return Batched::No;
        }
        match Batch::read(bytes) {
            Ok(batch) if self.answer_whole(&batch).is_some() => Batched::Answered(batch.length),
            Err(NoBatch::Cut) if bytes.len() < AWAITED => Batched::NotYet,
            Ok(_) | Err(_) => Batched::No,
        }
    }

    fn answer_whole(&mut self, batch: &Batch<'_>) -> Option<()> {
        let caching = self.caching()?;
        let body = match (batch.parse, &self.names.unnamed) {
            (Some(parse), _) => text(parse)?.1,
            (None, Unnamed::Kept { body, .. }) if batch.name.is_empty() => body,
            (None, _) => &self.names.get(batch.name)?.body,
        };
        if batch.parse.is_some() && !batch.name.is_empty() {
            let full = self.names.len() >= self.server.config().max_statements_per_client;
            if full || self.names.get(batch.name).is_some() {
                return None;
            }
        }
        let (sql, types) = text(body)?;
        let found =
            caching.lookup(&self.server, &self.params, &self.kind.settings, sql, Some((batch, types)))?;
        let (answer, fill) = match found {
            Lookup::Miss(fill) => {
                self.recorder = Some(Box::new(Recorder::new(fill)));
                return None;
            }
            Lookup::Hit(answer) => (answer, None),
            Lookup::Stale(answer, fill) => (answer, fill),
        };
        if let Some(fill) = fill {
            self.refresh(batch.rebuild(body), Recorder::new(fill));
        }
        let out = self.to_client.bytes();
        if batch.parse.is_some() {
            out.extend_from_slice(PARSE_COMPLETE);
        }
        out.extend_from_slice(BIND_COMPLETE);
        self.replay(&answer);
        if let Some((_, body)) = batch.parse.and_then(text) {
            // What the cache answers is a read and leaves nothing behind.
            if batch.name.is_empty() {
                self.names.unnamed = Unnamed::Kept { body: body.into(), effects: Effects::NONE };
            } else {
                let statement = self.server.statements.intern(body, Effects::NONE);
                self.names.insert(batch.name.into(), statement);
            }
        }
        Some(())
    }

    fn replay(&mut self, answer: &Answer) {
        Counters::one(&self.server.pool.counters().requests);
        for chunk in answer.chunks() {
            self.to_client.share(chunk);
        }
        self.to_client.bytes().extend_from_slice(READY);
    }

    fn refresh(&self, request: Vec<u8>, recorder: Recorder) {
        refresh(self.server.clone(), self.params.clone(), self.kind.clone(), request, recorder);
    }
}
