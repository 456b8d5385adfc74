//! What a location has found in the namespace.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use selvedge_base::Millis;
use selvedge_blob::Pin;

use super::cache::Keep;
use crate::namespace::Inner;
use crate::row::Stored;
use crate::value::{Place, ValueFile};
use crate::{Damage, Entry, Error, ListedKey, Page, Result, Value};

/// What a key held, in a form that can be read again and again.
#[derive(Clone, Debug)]
pub(super) struct Found {
    content: Content,
    metadata: Option<Arc<str>>,
    /// Seconds since the epoch.
    expiration: Option<u64>,
}

#[derive(Clone, Debug)]
enum Content {
    Inline(Bytes),
    /// The file stays while the location knows it, whatever happens to the key.
    File {
        pin: Arc<Pin>,
        len: u64,
        sealed: bool,
    },
}

impl Found {
    /// Reads `key` from the namespace.
    pub(super) async fn read(namespace: &Inner, key: &str) -> Result<Option<Self>> {
        let mut missing = None;
        loop {
            let Some(row) = namespace.find(key).await? else { return Ok(None) };
            let content = match row.stored {
                Stored::Inline(bytes) => Content::Inline(bytes),
                Stored::File { id: blob, sum } => match namespace.blobs.pin(&blob).await {
                    Ok(pin) => Content::File { pin: Arc::new(pin), len: row.size, sealed: sum.is_some() },
                    // The key was written or deleted in between, and the newer row counts.
                    Err(gone) if gone.kind() == io::ErrorKind::NotFound => {
                        if missing.as_ref() == Some(&blob) {
                            let damage = Damage::FileMissing { blob: blob.to_string() };
                            return Err(Error::Damaged { key: key.to_owned(), damage });
                        }
                        missing = Some(blob);
                        continue;
                    }
                    Err(failed) => return Err(Error::ValueFile(failed)),
                },
            };
            let metadata = row.metadata.map(Into::into);
            return Ok(Some(Self { content, metadata, expiration: row.expires }));
        }
    }

    /// Bytes of the value.
    pub(super) fn len(&self) -> u64 {
        match &self.content {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::File { len, .. } => *len,
        }
    }

    /// As the entry of `key`.
    pub(super) async fn open(&self, key: &str) -> Result<Entry> {
        let value = match &self.content {
            Content::Inline(bytes) => Value::Inline(bytes.clone()),
            Content::File { pin, len, sealed } => {
                Value::File(ValueFile::open(Place::Pin(Arc::clone(pin)), key, *len, *sealed).await?)
            }
        };
        let metadata = self.metadata.as_deref().map(str::to_owned);
        Ok(Entry { value, metadata, expiration: self.expiration })
    }
}

/// A key is there or it is not: both are kept.
impl Keep for Option<Found> {
    fn cost(&self) -> u64 {
        self.as_ref().map_or(0, |found| found.len() + found.metadata.as_ref().map_or(0, |m| m.len() as u64))
    }

    fn ends(&self) -> Option<Millis> {
        let seconds = self.as_ref()?.expiration?;
        Some(Millis(seconds.saturating_mul(1000)))
    }
}

impl Keep for Arc<Page> {
    fn cost(&self) -> u64 {
        let key = |key: &ListedKey| key.name.len() + key.metadata.as_ref().map_or(0, String::len) + 64;
        self.keys.iter().map(|k| key(k) as u64).sum()
    }

    /// Its keys end one by one: they are left out when it is shown.
    fn ends(&self) -> Option<Millis> {
        None
    }
}
