//! What the cache did, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Cloudflare's `cacheStatus`, with `stale` told apart from `hit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    Hit,
    /// A hit that was older than `max_age`.
    Stale,
    Miss,
    Uncacheable,
    Disabled,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    hit: AtomicU64,
    stale: AtomicU64,
    miss: AtomicU64,
    uncacheable: AtomicU64,
    disabled: AtomicU64,
    pub(super) stored: AtomicU64,
    pub(super) too_large: AtomicU64,
    pub(super) hit_bytes: AtomicU64,
}

/// Since the cache was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounters {
    pub hit: u64,
    pub stale: u64,
    pub miss: u64,
    pub uncacheable: u64,
    pub disabled: u64,
    /// Answers that were kept.
    pub stored: u64,
    /// Answers that were not kept because of their size.
    pub too_large: u64,
    /// Bytes that the origin did not have to send.
    pub hit_bytes: u64,
}

impl Counts {
    pub(super) fn note(&self, status: CacheStatus) {
        let counter = match status {
            CacheStatus::Hit => &self.hit,
            CacheStatus::Stale => &self.stale,
            CacheStatus::Miss => &self.miss,
            CacheStatus::Uncacheable => &self.uncacheable,
            CacheStatus::Disabled => &self.disabled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> CacheCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheCounters {
            hit: get(&self.hit),
            stale: get(&self.stale),
            miss: get(&self.miss),
            uncacheable: get(&self.uncacheable),
            disabled: get(&self.disabled),
            stored: get(&self.stored),
            too_large: get(&self.too_large),
            hit_bytes: get(&self.hit_bytes),
        }
    }
}
