//! The answers that are kept, of all configurations of a process, within one budget of bytes.
//!
//! When the budget is spent, answers leave in the order they came, but one that was asked for since it came (or
//! since it was last spared) is spared once. So a lookup changes no order and takes no exclusive lock.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use selvedge_base::{Millis, SharedClock};

/// What an entry costs beside its key and its bytes.
const OVERHEAD: usize = 256;

/// How many entries past their time an insertion looks for.
const SWEPT: usize = 4;

/// Raw bytes as the origin sent them. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    chunks: Arc<[Bytes]>,
    length: usize,
}

impl Answer {
    pub(super) fn new(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(Bytes::len).sum();
        Self { chunks: chunks.into(), length }
    }

    /// In order; where one ends means nothing.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// The number says whose configuration's cache it is, and which of its lives between purges.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) cache: u64,
    pub(super) key: Arc<[u8]>,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    asked: Millis,
    /// After this much age the entry is of no use.
    lifetime: Duration,
    id: u64,
    weight: usize,
    wanted: AtomicBool,
    refreshing: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Place, Entry>,
    /// In the order of insertion. An id that is not the entry's belongs to one that was replaced.
    queue: VecDeque<(Place, u64)>,
    bytes: usize,
}

/// What a lookup found.
pub(super) struct Found {
    pub(super) answer: Answer,
    /// When it was asked for.
    pub(super) age: Duration,
    pub(super) id: u64,
}

/// The memory that the caches of a process share.
pub struct CacheStore {
    inner: RwLock<Inner>,
    /// Bytes of answers that are on their way.
    recording: AtomicUsize,
    limit: usize,
    evicted: AtomicU64,
    ids: AtomicU64,
    clock: SharedClock,
}

impl CacheStore {
    /// `limit`: the most bytes of all answers with their keys.
    pub fn new(limit: usize, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self {
            inner: RwLock::default(),
            recording: AtomicUsize::new(0),
            limit,
            evicted: AtomicU64::new(0),
            ids: AtomicU64::new(1),
            clock,
        })
    }

    /// Of the answers that are kept now, keys included.
    pub fn bytes(&self) -> usize {
        self.read().bytes
    }

    /// How many answers are kept now.
    pub fn entries(&self) -> usize {
        self.read().entries.len()
    }

    /// How many answers had to go before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// No single answer may push out most of the others.
    pub(super) fn largest_answer(&self) -> usize {
        self.limit / 4
    }

    /// The answer, if it is younger than `lifetime`.
    pub(super) fn get(&self, place: &Place, lifetime: Duration) -> Option<Found> {
        let inner = self.read();
        let entry = inner.entries.get(place)?;
        // A clock that was set back makes no answer younger.
        let age = Duration::from_millis(self.now().0.checked_sub(entry.asked.0)?);
        if age >= lifetime {
            return None;
        }
        entry.wanted.store(true, Ordering::Relaxed);
        Some(Found { answer: entry.answer.clone(), age, id: entry.id })
    }

    /// True for the one caller that shall ask anew for the entry.
    pub(super) fn claim(&self, place: &Place, id: u64) -> bool {
        self.read()
            .entries
            .get(place)
            .is_some_and(|entry| entry.id == id && !entry.refreshing.swap(true, Ordering::AcqRel))
    }

    /// Lets another caller try.
    pub(super) fn release(&self, place: &Place, id: u64) {
        if let Some(entry) = self.read().entries.get(place).filter(|entry| entry.id == id) {
            entry.refreshing.store(false, Ordering::Release);
        }
    }

    /// Keeps an answer, unless there is one that was asked for later. False when it was too large.
    pub(super) fn put(&self, place: Place, answer: Answer, asked: Millis, lifetime: Duration) -> bool {
        let weight = answer.len() + place.key.len() + OVERHEAD;
        if weight > self.largest_answer() {
            return false;
        }
        let id = self.next_id();
        let now = self.now();
        let mut inner = self.write();
        if inner.entries.get(&place).is_some_and(|entry| entry.asked > asked && entry.asked <= now) {
            return true;
        }
        let entry = Entry {
            answer,
            asked,
            lifetime,
            id,
            weight,
            wanted: AtomicBool::new(false),
            refreshing: AtomicBool::new(false),
        };
        inner.bytes += weight;
        if let Some(old) = inner.entries.insert(place.clone(), entry) {
            inner.bytes -= old.weight;
        }
        inner.queue.push_back((place, id));
        inner.sweep(now);
        let evicted = inner.evict(self.limit, now);
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
        true
    }

    /// Forgets all answers of a cache.
    pub(super) fn purge(&self, cache: u64) {
        let mut inner = self.write();
        let mut freed = 0;
        inner.entries.retain(|place, entry| {
            let keep = place.cache != cache;
            freed += if keep { 0 } else { entry.weight };
            keep
        });
        inner.bytes -= freed;
        inner.queue.retain(|(place, _)| place.cache != cache);
    }

    /// Room for bytes of an answer that is on its way. False when too many are.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        let before = self.recording.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.limit / 2;
        if !fits {
            self.unreserve(bytes);
        }
        fits
    }

    pub(super) fn unreserve(&self, bytes: usize) {
        self.recording.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Nothing between two changes of the map can panic but an allocation.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Drops what is at the head of the queue and past its time.
    fn sweep(&mut self, now: Millis) {
        for _ in 0..SWEPT {
            let Some((place, id)) = self.queue.front() else { return };
            let current = self.entries.get(place).filter(|entry| entry.id == *id);
            if current.is_some_and(|entry| !entry.is_over(now)) {
                return;
            }
            self.drop_first();
        }
    }

    /// Makes room. Gives the number of answers that could still have been used.
    fn evict(&mut self, limit: usize, now: Millis) -> u64 {
        let mut evicted = 0;
        while self.bytes > limit {
            let Some((place, id)) = self.queue.front() else { return evicted };
            match self.entries.get(place).filter(|entry| entry.id == *id) {
                Some(entry) if !entry.is_over(now) => {
                    if entry.wanted.swap(false, Ordering::Relaxed) {
                        self.queue.rotate_left(1);
                        continue;
                    }
                    evicted += 1;
                }
                _ => {}
            }
            self.drop_first();
        }
        evicted
    }

    fn drop_first(&mut self) {
        let Some((place, id)) = self.queue.pop_front() else { return };
        if self.entries.get(&place).is_some_and(|entry| entry.id == id)
            && let Some(entry) = self.entries.remove(&place)
        {
            self.bytes -= entry.weight;
        }
    }
}

impl Entry {
    fn is_over(&self, now: Millis) -> bool {
        now.0.checked_sub(self.asked.0).is_none_or(|age| Duration::from_millis(age) >= self.lifetime)
    }
}
