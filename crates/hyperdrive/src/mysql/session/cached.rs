//! The query cache, as this protocol uses it.

use std::sync::Arc;

use bytes::Bytes;

use super::super::answer::{Answer, Piece, Shape};
use super::super::config::MySqlMode;
use super::super::connect::{ConnectError, MySqlConnect};
use super::super::settings::Settings;
use super::relay::may_be_kept;
use super::{End, Session, Step};
use crate::Stream;
use crate::cache::{self, CacheStatus, Dialect, Fill, Form, KeyBuilder, Lookup, Verdict};
use crate::pool::{Lease, Pool};

/// What there is for a statement.
pub(super) enum Found {
    Answer(cache::Answer),
    /// Nothing yet: the origin's answer goes here too.
    Fill(Fill),
    Nothing,
}

impl<S: Stream> Session<S> {
    /// Could an answer of the cache be right now? Counts it when not.
    pub(super) fn may_use_cache(&self) -> bool {
        let Some(cache) = &self.server.cache else { return false };
        if !cache.enabled() {
            cache.note(CacheStatus::Disabled);
            return false;
        }
        let outside = self.lease.is_none() && self.autocommit && self.mode == MySqlMode::Transaction;
        if !outside {
            cache.note(CacheStatus::Uncacheable);
        }
        outside
    }

    /// Looks for an answer. `values` are a prepared statement's, `packets` what to ask when the answer is old.
    pub(super) fn look_up(&mut self, verdict: &Verdict, form: Form, values: &[u8], packets: &Bytes) -> Found {
        let Some(cache) = self.server.cache.clone() else { return Found::Nothing };
        let key = match verdict {
            Verdict::Cacheable(statement) => cache.allows(statement).and_then(|()| {
                let mut key = KeyBuilder::new(self.cached_as(), statement, form);
                key.part(values);
                key.finish()
            }),
            Verdict::Uncacheable(reason) => Err(reason.clone()),
        };
        let key = match key {
            Ok(key) => key,
            Err(reason) => {
                tracing::trace!("not cached: {reason}");
                cache.note(CacheStatus::Uncacheable);
                return Found::Nothing;
            }
        };
        match cache.lookup(key) {
            Lookup::Hit(answer) | Lookup::Stale(answer, None) => Found::Answer(answer),
            Lookup::Stale(answer, Some(fill)) => {
                // A prepared statement is asked anew by who misses it: it has no number of its own to ask with.
                if form == Form::MySqlText {
                    tokio::spawn(refresh(
                        self.pool.clone(),
                        Arc::clone(&self.settings),
                        packets.clone(),
                        fill,
                    ));
                    return Found::Answer(answer);
                }
                Found::Fill(fill)
            }
            Lookup::Miss(fill) => Found::Fill(fill),
        }
    }

    fn cached_as(&mut self) -> &cache::Session {
        let (server, settings) = (&self.server, &self.settings);
        self.cached_as.get_or_insert_with(|| {
            let origin = server.origin();
            let database = String::from_utf8_lossy(&origin.database_name()).into_owned();
            let role = String::from_utf8_lossy(&origin.user_name()).into_owned();
            let charset = ("character_set_client", settings.charset());
            cache::Session::new(Dialect::MySql, &database, &role, settings.pairs().chain([charset]))
        })
    }

    pub(super) async fn give(&mut self, answer: &cache::Answer) -> Step {
        for chunk in answer.chunks() {
            self.client.write(chunk).await.map_err(|_| End::Gone)?;
        }
        Ok(())
    }
}

/// Asks for an answer anew, for nobody but the cache.
async fn refresh(pool: Pool<MySqlConnect>, settings: Arc<Settings>, packets: Bytes, fill: Fill) {
    let limit = pool.config().statement_timeout;
    let asking = async {
        let Ok(mut lease) = pool.acquire(&()).await else { return };
        match ask(&mut lease, &settings, &packets, fill).await {
            Ok(()) => lease.give_back(),
            Err(error) => tracing::debug!("an answer could not be renewed: {error}"),
        }
    };
    match limit {
        Some(limit) => drop(tokio::time::timeout(limit, asking).await),
        None => asking.await,
    }
}

/// An error leaves the connection to be closed.
async fn ask(
    lease: &mut Lease<MySqlConnect>,
    settings: &Arc<Settings>,
    packets: &[u8],
    mut fill: Fill,
) -> Result<(), ConnectError> {
    lease.take_settings(settings).await?;
    lease.send(packets).await?;
    let mut answer = Answer::new(Shape::Results);
    while !answer.is_done() {
        match answer.next(&lease.buffer).map_err(|surprise| ConnectError::Protocol(surprise.0))? {
            Some(Piece::Pass(count)) => fill.push(&lease.buffer.split_to(count)),
            Some(Piece::Replace(count, replacement)) => {
                let _ = lease.buffer.split_to(count);
                fill.push(&replacement);
            }
            None => lease.fill().await?,
        }
    }
    if !lease.buffer.is_empty() {
        return Err(ConnectError::Protocol("more than was asked for"));
    }
    lease.status = answer.outcome.status.unwrap_or(lease.status);
    match answer.outcome.error {
        Some(error) => Err(ConnectError::Origin(error)),
        None if may_be_kept(&answer.outcome) => {
            fill.finish();
            Ok(())
        }
        None => Err(ConnectError::Protocol("a read that is none")),
    }
}
