//! What Cloudflare does with a namespace: locations, each with a cache of its own between its readers and the
//! namespace. A write elsewhere is seen only when the location's entry has reached the end of its lifetime.

mod cache;
mod found;
mod location;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::Namespace;
use location::Caches;

pub use location::Location;
pub use view::View;

/// How a namespace's locations behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeOptions {
    /// The names of the locations, at least one. What is asked of another one is asked of the first.
    pub locations: Vec<String>,
    /// Whether a location sees its own writes at once. Cloudflare usually does, and promises nothing.
    pub own_writes_visible: bool,
    /// Bytes that the cache of one location may keep: in memory for values that are rows, on disk for values that
    /// are files and were replaced meanwhile.
    pub cache_bytes: u64,
}

/// Where a location's answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// From the location's cache: it may be stale.
    Hit,
    /// From the namespace.
    Miss,
}

/// How fresh a location's answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheState {
    pub status: CacheStatus,
    /// Milliseconds since it was read from the namespace.
    pub age: u64,
    /// Milliseconds, counted from the same moment, after which it must not be used any more.
    pub lifetime: u64,
}

/// A namespace as its locations see it. Clones share the caches.
#[derive(Clone)]
pub struct Edge {
    namespace: Namespace,
    own_writes_visible: bool,
    first: Arc<Caches>,
    locations: Arc<HashMap<String, Arc<Caches>>>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Edge {
    /// Empty caches in front of `namespace`.
    pub fn new(namespace: Namespace, options: &EdgeOptions) -> Self {
        let caches = || Arc::new(Caches::new(options.cache_bytes));
        let locations: HashMap<_, _> =
            options.locations.iter().map(|name| (name.clone(), caches())).collect();
        let first = options.locations.first().and_then(|name| locations.get(name)).cloned();
        Self {
            namespace,
            own_writes_visible: options.own_writes_visible,
            first: first.unwrap_or_else(caches),
            locations: Arc::new(locations),
        }
    }

    /// The namespace as it is seen at `location`; `None` for the first one.
    pub fn at(&self, location: Option<&str>) -> Location {
        let caches = location.and_then(|name| self.locations.get(name)).unwrap_or(&self.first);
        Location::new(self.namespace.clone(), Arc::clone(caches), self.own_writes_visible)
    }
}
