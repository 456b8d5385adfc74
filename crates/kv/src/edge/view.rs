use std::io;

use bytes::Bytes;
use futures_util::Stream;

use super::{CacheState, Location};
use crate::{Entry, ListOptions, Namespace, Page, PutOptions, Result};

/// A namespace as one of its readers sees it, with the methods of both kinds.
#[derive(Clone, Debug)]
pub enum View {
    /// What was written is read. Its answers come with no [`CacheState`].
    Strong(Namespace),
    Edge(Location),
}

impl View {
    pub fn namespace(&self) -> &Namespace {
        match self {
            Self::Strong(namespace) => namespace,
            Self::Edge(location) => location.namespace(),
        }
    }

    /// `cache_ttl` is in seconds.
    pub async fn get(
        &self,
        key: &str,
        cache_ttl: Option<u64>,
    ) -> Result<(Option<Entry>, Option<CacheState>)> {
        match self {
            Self::Strong(namespace) => Ok((namespace.get_with_metadata(key).await?, None)),
            Self::Edge(location) => {
                location.get(key, cache_ttl).await.map(|(entry, state)| (entry, Some(state)))
            }
        }
    }

    pub async fn get_many<K: AsRef<str> + Sync>(
        &self,
        keys: &[K],
        cache_ttl: Option<u64>,
    ) -> Result<Vec<Option<Entry<Bytes>>>> {
        match self {
            Self::Strong(namespace) => namespace.get_many(keys).await,
            Self::Edge(location) => location.get_many(keys, cache_ttl).await,
        }
    }

    pub async fn list(&self, options: &ListOptions<'_>) -> Result<(Page, Option<CacheState>)> {
        match self {
            Self::Strong(namespace) => Ok((namespace.list(options).await?, None)),
            Self::Edge(location) => location.list(options).await.map(|(page, state)| (page, Some(state))),
        }
    }

    pub async fn put_stream(
        &self,
        key: &str,
        value: impl Stream<Item = io::Result<Bytes>> + Send,
        options: &PutOptions,
    ) -> Result<()> {
        match self {
            Self::Strong(namespace) => namespace.put_stream(key, value, options).await,
            Self::Edge(location) => location.put_stream(key, value, options).await,
        }
    }

    pub async fn delete(&self, key: &str) -> Result<()> {
        match self {
            Self::Strong(namespace) => namespace.delete(key).await,
            Self::Edge(location) => location.delete(key).await,
        }
    }
}
