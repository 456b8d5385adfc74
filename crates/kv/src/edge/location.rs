use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use super::cache::{Cache, Look, state};
use super::found::Found;
use super::{CacheState, CacheStatus};
use crate::{Entry, ListOptions, Namespace, Page, PutOptions, Refusal, Result};

/// Milliseconds that an entry lives when its reader does not say.
const LIFETIME: u64 = 60_000;

/// What one location remembers.
pub(super) struct Caches {
    keys: Cache<Option<Found>>,
    pages: Cache<Arc<Page>>,
}

impl Caches {
    /// Caches of `bytes` together.
    pub(super) fn new(bytes: u64) -> Self {
        let pages = bytes / 8;
        Self { keys: Cache::new(bytes - pages), pages: Cache::new(pages) }
    }
}

/// A namespace as it is seen at one location.
#[derive(Clone)]
pub struct Location {
    namespace: Namespace,
    caches: Arc<Caches>,
    own_writes_visible: bool,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Location {
    pub(super) fn new(namespace: Namespace, caches: Arc<Caches>, own_writes_visible: bool) -> Self {
        Self { namespace, caches, own_writes_visible }
    }

    /// The namespace behind it.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What the location takes for the value of `key`, which may be that there is none. `cache_ttl` is in seconds.
    pub async fn get(&self, key: &str, cache_ttl: Option<u64>) -> Result<(Option<Entry>, CacheState)> {
        self.namespace.limits().check_key(key)?;
        let (found, state) = self.find(key, lifetime(cache_ttl)).await?;
        let entry = match found {
            Some(found) => Some(found.open(key).await?),
            None => None,
        };
        Ok((entry, state))
    }

    /// As [`Namespace::get_many`], each key as [`Location::get`] has it.
    pub async fn get_many<K: AsRef<str>>(
        &self,
        keys: &[K],
        cache_ttl: Option<u64>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        let limits = self.namespace.limits();
        limits.check_bulk(keys)?;
        let mut left = limits.bulk_bytes;
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let (found, _) = self.find(key.as_ref(), lifetime(cache_ttl)).await?;
            let size = found.as_ref().map_or(0, Found::len);
            left = left.checked_sub(size).ok_or(Refusal::BulkTooLarge { limit: limits.bulk_bytes })?;
            entries.push(match found {
                Some(found) => {
                    let Entry { value, metadata, expiration } = found.open(key.as_ref()).await?;
                    let value = value.into_bytes().await?;
                    Some(Entry { value, metadata, expiration })
                }
                None => None,
            });
        }
        Ok(entries)
    }

    async fn find(&self, key: &str, lifetime: u64) -> Result<(Option<Found>, CacheState)> {
        let now = self.namespace.inner.clock.now();
        let ticket = match self.caches.keys.look(key, now, lifetime) {
            Look::Hit(found, state) => return Ok((found, state)),
            Look::Miss(ticket) => ticket,
        };
        let found = Found::read(&self.namespace.inner, key).await?;
        self.caches.keys.fill(&ticket, key, found.clone(), now, lifetime);
        let state = state(CacheStatus::Miss, &found, now, now, lifetime);
        Ok((found, state))
    }

    /// As [`Namespace::list`], from a cache of pages: Cloudflare's listings are as stale as its reads. A page lives
    /// for a minute, or until its own location writes. Keys that have expired meanwhile are left out.
    pub async fn list(&self, options: &ListOptions<'_>) -> Result<(Page, CacheState)> {
        let now = self.namespace.inner.clock.now();
        let limit = self.namespace.limits().page(options.limit)?;
        let name = [options.prefix, &limit.to_string(), options.cursor.unwrap_or("")].join("\0");
        match self.caches.pages.look(&name, now, LIFETIME) {
            Look::Hit(page, state) => {
                let live = page.keys.iter().filter(|key| key.expiration.is_none_or(|at| at > now.secs()));
                Ok((Page { keys: live.cloned().collect(), cursor: page.cursor.clone() }, state))
            }
            Look::Miss(ticket) => {
                let page = Arc::new(self.namespace.list(options).await?);
                self.caches.pages.fill(&ticket, &name, Arc::clone(&page), now, LIFETIME);
                let state = state(CacheStatus::Miss, &page, now, now, LIFETIME);
                Ok((Arc::unwrap_or_clone(page), state))
            }
        }
    }

    /// As [`Namespace::put_stream`].
    pub async fn put_stream(
        &self,
        key: &str,
        value: impl Stream<Item = io::Result<Bytes>> + Send,
        options: &PutOptions,
    ) -> Result<()> {
        let done = self.namespace.put_stream(key, value, options).await;
        self.written(key);
        done
    }

    /// As [`Namespace::put`].
    pub async fn put(&self, key: &str, value: impl Into<Bytes>, options: &PutOptions) -> Result<()> {
        let done = self.namespace.put(key, value, options).await;
        self.written(key);
        done
    }

    /// As [`Namespace::delete`].
    pub async fn delete(&self, key: &str) -> Result<()> {
        let done = self.namespace.delete(key).await;
        self.written(key);
        done
    }

    /// Called when the namespace has answered, also with an error: a write may have happened all the same.
    fn written(&self, key: &str) {
        if self.own_writes_visible {
            self.caches.keys.forget(key);
            self.caches.pages.forget_all();
        }
    }
}

/// In milliseconds.
fn lifetime(cache_ttl: Option<u64>) -> u64 {
    cache_ttl.map_or(LIFETIME, |seconds| seconds.saturating_mul(1000))
}
