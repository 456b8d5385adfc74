//! The query cache in front of the pool: which requests may be answered from it, and under which key.

mod batch;
mod catalog;
mod recorder;
mod refresh;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::params::Params;
use super::server::Postgres;
use crate::Origin;
use crate::cache::{
    self, CacheStatus, Catalog, Dialect, Form, Key, KeyBuilder, Lookup, QueryCache, Verdict, classify,
};

pub(super) use batch::{Batch, NoBatch};
pub(super) use recorder::Recorder;
pub(super) use refresh::refresh;

/// Verdicts that are remembered, and the longest text that is.
const REMEMBERED: usize = 4096;
const LONGEST_REMEMBERED: usize = 8 * 1024;
/// Kinds of clients, by their settings, that are remembered.
const KINDS_OF_CLIENTS: usize = 256;

/// The cache of one configuration, as Postgres needs it.
pub(super) struct Caching {
    pub(super) cache: Arc<QueryCache>,
    /// Database and role at the origin.
    who: RwLock<(String, String)>,
    /// What the names in the origin's catalogs stand for has been read.
    knows_catalog: AtomicBool,
    verdicts: Mutex<HashMap<Box<[u8]>, Verdict>>,
    /// By the addresses of both sets, which are held so that no other set gets them.
    sessions: Mutex<HashMap<(usize, usize), Kind>>,
}

/// A kind of clients: their settings, and who they are to the cache.
type Kind = (Arc<Params>, Arc<Params>, cache::Session);

impl Caching {
    pub(super) fn new(cache: Arc<QueryCache>, origin: &Origin) -> Self {
        Self {
            cache,
            who: RwLock::new(who(origin)),
            knows_catalog: AtomicBool::new(false),
            verdicts: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Nothing of what is known holds for another origin.
    pub(super) fn replace_origin(&self, origin: &Origin) {
        *self.who.write().unwrap_or_else(PoisonError::into_inner) = who(origin);
        self.knows_catalog.store(false, Ordering::Release);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.cache.purge();
    }

    fn learned(&self, catalog: Catalog) {
        self.cache.set_catalog(catalog);
        self.knows_catalog.store(true, Ordering::Release);
    }

    /// What the cache thinks of a text.
    pub(super) fn verdict(&self, sql: &[u8]) -> Verdict {
        if let Some(known) = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return known.clone();
        }
        let verdict = classify(sql, Dialect::Postgres);
        if sql.len() <= LONGEST_REMEMBERED {
            let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
            if verdicts.len() >= REMEMBERED {
                verdicts.clear();
            }
            verdicts.insert(sql.into(), verdict.clone());
        }
        verdict
    }

    /// Who a client with these settings is to the cache. `None` if a setting is no text.
    fn session(&self, params: &Arc<Params>, start: &Arc<Params>) -> Option<cache::Session> {
        let address = (Arc::as_ptr(params) as usize, Arc::as_ptr(start) as usize);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, session)) = sessions.get(&address) {
            return Some(session.clone());
        }
        let settings: Option<Vec<_>> = params
            .iter()
            .chain(start.untracked())
            .map(|(name, value)| Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?)))
            .collect();
        let who = self.who.read().unwrap_or_else(PoisonError::into_inner);
        let session = cache::Session::new(Dialect::Postgres, &who.0, &who.1, settings?);
        if sessions.len() >= KINDS_OF_CLIENTS {
            sessions.clear();
        }
        sessions.insert(address, (Arc::clone(params), Arc::clone(start), session.clone()));
        Some(session)
    }

    /// Looks for the answer to a request of a client with these settings. `None` if it has to be asked for, and not
    /// kept. `batch` is there for an extended query.
    pub(super) fn lookup(
        &self,
        server: &Arc<Postgres>,
        params: &Arc<Params>,
        start: &Arc<Params>,
        sql: &[u8],
        batch: Option<(&Batch<'_>, &[u8])>,
    ) -> Option<Lookup> {
        if !self.cache.enabled() {
            return None;
        }
        let Verdict::Cacheable(statement) = self.verdict(sql) else { return None };
        if self.cache.catalog_is_due() {
            catalog::read(Arc::clone(server));
        }
        if !self.knows_catalog.load(Ordering::Acquire) {
            return None;
        }
        self.cache.allows(&statement).ok()?;
        let session = self.session(params, start)?;
        let key = match batch {
            None => KeyBuilder::new(&session, &statement, Form::PostgresSimple),
            Some((batch, types)) => {
                let form = if batch.described { Form::PostgresDescribed } else { Form::PostgresExtended };
                let mut key = KeyBuilder::new(&session, &statement, form);
                batch.add_to(&mut key, types)?;
                key
            }
        };
        let key: Key = key.finish().ok()?;
        Some(self.cache.lookup(key))
    }

    /// Counts a request that was not looked up.
    pub(super) fn passed_by(&self) {
        let enabled = self.cache.enabled();
        self.cache.note(if enabled { CacheStatus::Uncacheable } else { CacheStatus::Disabled });
    }
}

fn who(origin: &Origin) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&origin.database_name()), text(&origin.user_name()))
}
