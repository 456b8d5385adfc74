//! The cache of one configuration: what a protocol asks, and what it hands in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use selvedge_base::Millis;

use super::catalog::Catalog;
use super::counters::{CacheCounters, CacheStatus, Counts};
use super::key::Key;
use super::settings::CacheSettings;
use super::store::{Answer, CacheStore, Place};
use super::verdict::{Reason, Statement};

/// Answers are gathered in pieces of this many bytes.
const PIECE: usize = 64 * 1024;

/// For how many milliseconds a catalog is trusted.
const CATALOG_LASTS: u64 = 60_000;

/// One configuration's answers.
pub struct QueryCache {
    store: Arc<CacheStore>,
    settings: RwLock<CacheSettings>,
    /// This cache's number in the store. A purge takes a new one.
    number: AtomicU64,
    counts: Counts,
    catalog: RwLock<Option<Arc<Catalog>>>,
    /// When the catalog was last asked for, in milliseconds.
    catalog_asked: AtomicU64,
}

/// What to do with a statement.
pub enum Lookup {
    /// Give this answer.
    Hit(Answer),
    /// Give this answer. With a [`Fill`], the caller is the one that asks the origin anew, behind the client's back.
    Stale(Answer, Option<Fill>),
    /// Ask the origin, and hand its answer to the [`Fill`] as it passes.
    Miss(Fill),
}

impl QueryCache {
    pub fn new(store: Arc<CacheStore>, settings: CacheSettings) -> Arc<Self> {
        let number = AtomicU64::new(store.next_id());
        Arc::new(Self {
            store,
            settings: RwLock::new(settings),
            number,
            counts: Counts::default(),
            catalog: RwLock::default(),
            catalog_asked: AtomicU64::new(0),
        })
    }

    pub fn enabled(&self) -> bool {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).enabled
    }

    pub fn settings(&self) -> CacheSettings {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes effect at once, on answers that are already kept too.
    pub fn set_settings(&self, settings: CacheSettings) {
        let disabled = !settings.enabled;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        if disabled {
            self.purge();
        }
    }

    /// Forgets every answer, and those on their way.
    pub fn purge(&self) {
        let old = self.number.swap(self.store.next_id(), Ordering::AcqRel);
        self.store.purge(old);
    }

    /// Counts a statement that did not come to [`Self::lookup`].
    pub fn note(&self, status: CacheStatus) {
        self.counts.note(status);
    }

    pub fn counters(&self) -> CacheCounters {
        self.counts.read()
    }

    /// Does the text mean what it seems to, as far as the database's catalogs are known?
    pub fn allows(&self, statement: &Statement) -> Result<(), Reason> {
        let catalog = self.catalog.read().unwrap_or_else(PoisonError::into_inner);
        catalog.as_ref().map_or(Ok(()), |catalog| catalog.allows(statement))
    }

    pub fn set_catalog(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(catalog));
    }

    /// True for one caller a minute, and for the first: it shall run [`Catalog::sql`].
    pub fn catalog_is_due(&self) -> bool {
        let now = self.store.now().0.max(1);
        let asked = self.catalog_asked.load(Ordering::Acquire);
        let due = asked == 0 || now.abs_diff(asked) >= CATALOG_LASTS;
        due && self.catalog_asked.compare_exchange(asked, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    pub fn store(&self) -> &Arc<CacheStore> {
        &self.store
    }

    /// Looks for an answer, and counts what it found.
    pub fn lookup(self: &Arc<Self>, key: Key) -> Lookup {
        let settings = self.settings();
        let place = Place { cache: self.number.load(Ordering::Acquire), key: key.0 };
        let lifetime = settings.max_age + settings.stale_while_revalidate;
        let Some(found) = self.store.get(&place, lifetime) else {
            self.counts.note(CacheStatus::Miss);
            return Lookup::Miss(Fill::new(self, place, &settings, None));
        };
        let answer = found.answer;
        self.counts.hit_bytes.fetch_add(answer.len() as u64, Ordering::Relaxed);
        if found.age < settings.max_age {
            self.counts.note(CacheStatus::Hit);
            return Lookup::Hit(answer);
        }
        self.counts.note(CacheStatus::Stale);
        let mine = self.store.claim(&place, found.id);
        Lookup::Stale(answer, mine.then(|| Fill::new(self, place, &settings, Some(found.id))))
    }
}

impl Drop for QueryCache {
    fn drop(&mut self) {
        // Nobody can ask for its answers any more, and others share the memory.
        self.purge();
    }
}

/// An answer on its way into the cache. Dropped without [`Fill::finish`], it leaves nothing: that is how errors,
/// clients that went away and answers that were cut short stay out.
pub struct Fill {
    cache: Arc<QueryCache>,
    place: Place,
    asked: Millis,
    pieces: Vec<Bytes>,
    piece: Vec<u8>,
    /// Bytes so far, which are reserved in the store.
    length: usize,
    most: usize,
    given_up: bool,
    /// The entry whose renewal this is.
    renews: Option<u64>,
}

impl Fill {
    fn new(cache: &Arc<QueryCache>, place: Place, settings: &CacheSettings, renews: Option<u64>) -> Self {
        let asked = cache.store.now();
        let most = settings.answer_bytes.min(cache.store.largest_answer());
        Self {
            cache: Arc::clone(cache),
            place,
            asked,
            pieces: Vec::new(),
            piece: Vec::new(),
            length: 0,
            most,
            given_up: false,
            renews,
        }
    }

    /// The next bytes of the answer. They are copied, so that a small answer does not hold a large read buffer.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.given_up {
            return;
        }
        if self.length + bytes.len() > self.most || !self.cache.store.reserve(bytes.len()) {
            self.give_up();
            return;
        }
        self.length += bytes.len();
        if self.piece.len() + bytes.len() > PIECE {
            self.end_piece();
        }
        if bytes.len() >= PIECE {
            self.pieces.push(Bytes::copy_from_slice(bytes));
        } else {
            self.piece.extend_from_slice(bytes);
        }
    }

    /// Is there still something to gather? False once the answer was too large.
    pub fn is_open(&self) -> bool {
        !self.given_up
    }

    /// The answer is whole and no error: keeps it.
    pub fn finish(mut self) {
        if self.given_up {
            return;
        }
        self.end_piece();
        let settings = self.cache.settings();
        if !settings.enabled {
            return;
        }
        let answer = Answer::new(std::mem::take(&mut self.pieces));
        let lifetime = settings.max_age + settings.stale_while_revalidate;
        if self.cache.store.put(self.place.clone(), answer, self.asked, lifetime) {
            self.cache.counts.stored.fetch_add(1, Ordering::Relaxed);
        } else {
            self.cache.counts.too_large.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end_piece(&mut self) {
        if !self.piece.is_empty() {
            let mut piece = std::mem::take(&mut self.piece);
            piece.shrink_to_fit();
            self.pieces.push(piece.into());
        }
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.pieces = Vec::new();
        self.piece = Vec::new();
        self.cache.store.unreserve(std::mem::take(&mut self.length));
        self.cache.counts.too_large.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.cache.store.unreserve(self.length);
        if let Some(id) = self.renews {
            self.cache.store.release(&self.place, id);
        }
    }
}
