//! Entries with an age, bounded by their bytes. The ones that were used least recently go first.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
use selvedge_base::Millis;

use super::{CacheState, CacheStatus};

/// What an entry costs besides its content: the slot and its place in the map.
const OVERHEAD: u64 = 160;
/// A write says of one in so many groups of keys that what is being read of them may be old.
const GROUPS: usize = 64;

/// Something that can be kept for a while.
pub(super) trait Keep: Clone {
    /// Bytes.
    fn cost(&self) -> u64;
    /// When it ends by itself.
    fn ends(&self) -> Option<Millis>;
}

/// One location's cache.
pub(super) struct Cache<V> {
    /// Bytes.
    limit: u64,
    hasher: RandomState,
    kept: Mutex<Kept<V>>,
}

struct Kept<V> {
    slots: LruCache<Box<str>, Slot<V>>,
    bytes: u64,
    /// Counts the writes to each group of keys.
    writes: [u64; GROUPS],
}

struct Slot<V> {
    value: V,
    since: Millis,
    /// Milliseconds.
    lifetime: u64,
    cost: u64,
}

/// The right to fill in what a miss has found, unless it was overtaken by a write.
#[derive(Debug)]
pub(super) struct Ticket {
    group: usize,
    writes: u64,
}

pub(super) enum Look<V> {
    Hit(V, CacheState),
    Miss(Ticket),
}

impl<V: Keep> Cache<V> {
    pub(super) fn new(limit: u64) -> Self {
        let kept = Kept { slots: LruCache::new_unbounded(), bytes: 0, writes: [0; GROUPS] };
        Self { limit, hasher: RandomState::new(), kept: Mutex::new(kept) }
    }

    /// The entry of `key` if it may still be used by a reader who asks for `lifetime` milliseconds at most. Asking
    /// for less than the entry has shortens its life for everybody; asking for more does not lengthen it.
    pub(super) fn look(&self, key: &str, now: Millis, lifetime: u64) -> Look<V> {
        let group = self.group(key);
        let mut kept = self.kept();
        if let Some(slot) = kept.slots.get_mut(key) {
            slot.lifetime = slot.lifetime.min(lifetime);
            let state = state(CacheStatus::Hit, &slot.value, slot.since, now, slot.lifetime);
            if state.age < state.lifetime {
                return Look::Hit(slot.value.clone(), state);
            }
            kept.remove(key);
        }
        Look::Miss(Ticket { group, writes: kept.writes[group] })
    }

    /// Keeps what was read at `since`, after `ticket` was taken. Not if it is too large, or if the key may have
    /// been written meanwhile.
    pub(super) fn fill(&self, ticket: &Ticket, key: &str, value: V, since: Millis, lifetime: u64) {
        let cost = value.cost() + key.len() as u64 + OVERHEAD;
        // Half, so that one entry never pushes out all others.
        if cost > self.limit / 2 {
            return;
        }
        let mut kept = self.kept();
        if kept.writes[ticket.group] != ticket.writes {
            return;
        }
        kept.remove(key);
        kept.bytes += cost;
        kept.slots.insert(key.into(), Slot { value, since, lifetime, cost });
        while kept.bytes > self.limit {
            let Some((_, oldest)) = kept.slots.remove_lru() else { break };
            kept.bytes -= oldest.cost;
        }
    }

    /// Forgets `key`, also where it is being read just now.
    pub(super) fn forget(&self, key: &str) {
        let group = self.group(key);
        let mut kept = self.kept();
        kept.writes[group] += 1;
        kept.remove(key);
    }

    /// Forgets everything, likewise.
    pub(super) fn forget_all(&self) {
        let mut kept = self.kept();
        for writes in &mut kept.writes {
            *writes += 1;
        }
        kept.slots.clear();
        kept.bytes = 0;
    }

    fn group(&self, key: &str) -> usize {
        usize::try_from(self.hasher.hash_one(key) % GROUPS as u64).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.kept().bytes
    }
}

impl<V> Kept<V> {
    fn remove(&mut self, key: &str) {
        if let Some(slot) = self.slots.remove(key) {
            self.bytes -= slot.cost;
        }
    }
}

/// What is to be told of `value`, read at `since`: an end of its own comes before the end of the lifetime.
pub(super) fn state(
    status: CacheStatus,
    value: &impl Keep,
    since: Millis,
    now: Millis,
    lifetime: u64,
) -> CacheState {
    let left = value.ends().map_or(u64::MAX, |end| end.0.saturating_sub(since.0));
    CacheState { status, age: now.0.saturating_sub(since.0), lifetime: lifetime.min(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Text(&'static str, Option<Millis>);

    impl Keep for Text {
        fn cost(&self) -> u64 {
            self.0.len() as u64
        }

        fn ends(&self) -> Option<Millis> {
            self.1
        }
    }

    fn ticket(cache: &Cache<Text>, key: &str) -> Ticket {
        match cache.look(key, Millis(0), 60_000) {
            Look::Miss(ticket) => ticket,
            Look::Hit(value, _) => panic!("{key} has {value:?}"),
        }
    }

    fn fill(cache: &Cache<Text>, key: &str, value: &'static str) {
        cache.fill(&ticket(cache, key), key, Text(value, None), Millis(0), 60_000);
    }

    fn hit(cache: &Cache<Text>, key: &str, now: u64, lifetime: u64) -> Option<(&'static str, u64, u64)> {
        match cache.look(key, Millis(now), lifetime) {
            Look::Hit(value, state) => Some((value.0, state.age, state.lifetime)),
            Look::Miss(_) => None,
        }
    }

    #[test]
    fn a_lifetime_can_be_shortened_and_not_lengthened() {
        let cache = Cache::new(10_000);
        fill(&cache, "k", "v");
        assert_eq!(hit(&cache, "k", 59_999, 90_000), Some(("v", 59_999, 60_000)));
        assert_eq!(hit(&cache, "k", 30_000, 31_000), Some(("v", 30_000, 31_000)));
        assert_eq!(hit(&cache, "k", 31_000, 60_000), None, "the shorter lifetime is everybody's");
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn the_end_of_a_key_comes_before_the_end_of_the_lifetime() {
        let cache = Cache::new(10_000);
        cache.fill(&ticket(&cache, "k"), "k", Text("v", Some(Millis(5000))), Millis(1000), 60_000);
        assert_eq!(hit(&cache, "k", 4999, 60_000), Some(("v", 3999, 4000)));
        assert_eq!(hit(&cache, "k", 5000, 60_000), None);
    }

    #[test]
    fn what_a_write_overtook_is_not_kept() {
        let cache = Cache::new(10_000);
        let before = ticket(&cache, "k");
        cache.forget("k");
        cache.fill(&before, "k", Text("old", None), Millis(0), 60_000);
        assert_eq!(hit(&cache, "k", 1, 60_000), None);
        let (before, other) = (ticket(&cache, "k"), ticket(&cache, "l"));
        cache.forget_all();
        cache.fill(&before, "k", Text("old", None), Millis(0), 60_000);
        cache.fill(&other, "l", Text("old", None), Millis(0), 60_000);
        assert_eq!(cache.bytes(), 0);
    }

    #[test]
    fn the_least_recently_used_make_room() {
        let one = OVERHEAD + 1 + 9;
        let cache = Cache::new(3 * one);
        for key in ["a", "b", "c"] {
            fill(&cache, key, "nine char");
        }
        assert_eq!(cache.bytes(), 3 * one);
        assert!(hit(&cache, "a", 0, 60_000).is_some());
        fill(&cache, "d", "nine char");
        assert_eq!(cache.bytes(), 3 * one);
        assert_eq!(hit(&cache, "b", 0, 60_000), None);
        assert!(["a", "c", "d"].iter().all(|key| hit(&cache, key, 0, 60_000).is_some()));
        let again = Ticket { group: cache.group("d"), writes: 0 };
        cache.fill(&again, "d", Text("other", None), Millis(0), 60_000);
        assert_eq!(cache.bytes(), 3 * one - 4, "in the place of what it replaces");
        let large = Box::leak("x".repeat(600).into_boxed_str());
        fill(&cache, "large", large);
        assert_eq!(hit(&cache, "large", 0, 60_000), None, "larger than half the cache");
    }
}
