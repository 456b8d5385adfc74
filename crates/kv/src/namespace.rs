use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use selvedge_base::SharedClock;
use selvedge_blob::BlobId;
use selvedge_sqlite::Database;
use tokio::sync::Notify;

use crate::rate::WriteRate;
use crate::row::{Row, Stored};
use crate::value::Place;
use crate::{Damage, Entry, Error, Limits, Refusal, Result, Value, ValueFile, janitor, schema};

/// One namespace, open. Clones share it; when the last one and its [`Store`](crate::Store) are gone, the
/// writes that were accepted are finished and the file is closed.
#[derive(Clone)]
pub struct Namespace {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    database: Database,
    /// Whether the namespace was deleted.
    deleted: AtomicBool,
    pub(crate) blobs: selvedge_blob::Store,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    rate: WriteRate,
    /// Wakes the janitor: there is garbage, or the namespace is closed.
    pub(crate) wake: Arc<Notify>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("blobs", &self.inner.blobs).finish_non_exhaustive()
    }
}

impl Namespace {
    pub(crate) fn start(
        database: Database,
        blobs: selvedge_blob::Store,
        clock: SharedClock,
        limits: Limits,
        clean_up: bool,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            database,
            deleted: AtomicBool::new(false),
            blobs,
            clock,
            limits,
            rate: WriteRate::default(),
            wake: Arc::clone(&wake),
        });
        if clean_up {
            tokio::spawn(janitor::run(Arc::downgrade(&inner), wake));
        }
        Self { inner }
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The value of `key`, if it has one that has not expired.
    pub async fn get(&self, key: &str) -> Result<Option<Value>> {
        Ok(self.get_with_metadata(key).await?.map(|entry| entry.value))
    }

    /// As [`Namespace::get`], with what else is known of the key.
    pub async fn get_with_metadata(&self, key: &str) -> Result<Option<Entry>> {
        self.inner.limits.check_key(key)?;
        match self.inner.find(key).await? {
            Some(row) => self.inner.open_row(key, row).await,
            None => Ok(None),
        }
    }

    /// The values of several keys, in the order of `keys`, loaded into memory. Refused when they are too many,
    /// or too large together.
    pub async fn get_many<K: AsRef<str> + Sync>(&self, keys: &[K]) -> Result<Vec<Option<Entry<Bytes>>>> {
        let limits = &self.inner.limits;
        limits.check_bulk(keys)?;
        let now = self.inner.now();
        let database = self.inner.database()?;
        let rows = database.read(|connection| {
            let mut left = limits.bulk_bytes;
            let mut rows = Vec::with_capacity(keys.len());
            for key in keys {
                let row = schema::find(connection, key.as_ref())?.filter(|row| !row.is_expired(now));
                let size = row.as_ref().map_or(0, |row| row.size);
                left = left.checked_sub(size).ok_or(Refusal::BulkTooLarge { limit: limits.bulk_bytes })?;
                rows.push(row);
            }
            Ok::<_, Error>(rows)
        });
        let mut entries = Vec::with_capacity(keys.len());
        for (key, row) in keys.iter().zip(rows.await??) {
            entries.push(match row {
                Some(row) => self.inner.load_row(key.as_ref(), row).await?,
                None => None,
            });
        }
        Ok(entries)
    }

    /// Removes `key`. One that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.inner.limits.check_key(key)?;
        self.inner.admit_write(key)?;
        let key = key.to_owned();
        let database = self.inner.database()?;
        let garbage = database.write(move |connection| schema::delete(connection, &key)).await?;
        self.inner.wake_for(garbage);
        Ok(())
    }

    /// Takes back the space of some expired keys and of the value files that nobody needs. It goes on by
    /// itself in the background; this is for whoever cannot wait. Answers whether there may be more to do.
    pub async fn clean_up(&self) -> Result<bool> {
        janitor::clean_up(&self.inner).await
    }
}

impl Inner {
    pub(crate) fn database(&self) -> Result<&Database> {
        if self.deleted.load(Ordering::Acquire) { Err(Error::Deleted) } else { Ok(&self.database) }
    }

    /// From here on, whoever uses the namespace hears that it was deleted. What has begun is finished, then the
    /// database is closed.
    pub(crate) async fn retire(&self) -> Result<()> {
        self.deleted.store(true, Ordering::Release);
        Ok(self.database.close().await?)
    }

    /// Seconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().secs()
    }

    pub(crate) fn admit_write(&self, key: &str) -> Result<(), Refusal> {
        match self.limits.key_write_interval {
            Some(interval) => self.rate.admit(key, interval, self.clock.now()),
            None => Ok(()),
        }
    }

    pub(crate) fn wake_for(&self, garbage: bool) {
        if garbage {
            self.wake.notify_one();
        }
    }

    pub(crate) async fn find(&self, key: &str) -> Result<Option<Row>> {
        let row = self.database()?.read(|connection| schema::find(connection, key)).await??;
        let now = self.now();
        Ok(row.filter(|row| !row.is_expired(now)))
    }

    async fn load_row(&self, key: &str, row: Row) -> Result<Option<Entry<Bytes>>> {
        let Some(Entry { value, metadata, expiration }) = self.open_row(key, row).await? else {
            return Ok(None);
        };
        let value = value.into_bytes().await?;
        Ok(Some(Entry { value, metadata, expiration }))
    }

    /// The entry that `row`, just read, stands for. When its file is gone the key was written or deleted in
    /// between, and the newer row counts.
    pub(crate) async fn open_row(&self, key: &str, mut row: Row) -> Result<Option<Entry>> {
        let mut missing: Option<BlobId> = None;
        loop {
            let Row { stored, size, metadata, expires, .. } = row;
            let value = match stored {
                Stored::Inline(bytes) => Value::Inline(bytes),
                Stored::File { id, sum } => {
                    match ValueFile::open(
                        Place::Blob(self.blobs.clone(), id.clone()),
                        key,
                        size,
                        sum.is_some(),
                    )
                    .await
                    {
                        Ok(file) => Value::File(file),
                        Err(Error::ValueFile(gone)) if gone.kind() == io::ErrorKind::NotFound => {
                            if missing.as_ref() == Some(&id) {
                                let damage = Damage::FileMissing { blob: id.to_string() };
                                return Err(Error::Damaged { key: key.to_owned(), damage });
                            }
                            missing = Some(id);
                            let Some(newer) = self.find(key).await? else { return Ok(None) };
                            row = newer;
                            continue;
                        }
                        Err(failed) => return Err(failed),
                    }
                }
            };
            return Ok(Some(Entry { value, metadata, expiration: expires }));
        }
    }
}
