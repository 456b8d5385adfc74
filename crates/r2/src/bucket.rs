use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use selvedge_base::{SharedClock, random_hex};
use selvedge_sqlite::{Database, Options};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::garbage::{self, Pins};
use crate::limits::PAGE;
use crate::receive::{Sink, Stored};
use crate::schema::SCHEMA;
use crate::{Error, HttpMetadata, Limits, Object, Result, rows};

/// One bucket. Clones share it.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) blobs: selvedge_blob::Store,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) pins: Arc<Pins>,
    last_content: AtomicI64,
    sweeper: JoinHandle<()>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("database", &self.inner.database.path()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

/// How long a finished upload is remembered, so that finishing it again gets the right answer.
const REMEMBER_UPLOADS: u64 = 7 * 24 * 60 * 60 * 1000;

impl Bucket {
    pub(crate) async fn open(
        path: PathBuf,
        blob_directory: PathBuf,
        clock: SharedClock,
        limits: Limits,
    ) -> Result<Self> {
        let forgotten = rows::signed(clock.now().0.saturating_sub(REMEMBER_UPLOADS));
        let blob_clock = Arc::clone(&clock);
        let (database, blobs) = spawn_blocking(move || {
            let database = Database::open(&path, Options::new(&SCHEMA))?;
            let blobs = selvedge_blob::Store::open(&blob_directory, blob_clock)?;
            Ok::<_, Error>((database, blobs))
        })
        .await
        .map_err(|_| Error::Stopping)??;
        let last_content = database
            .read_long({
                let (blobs, path) = (blobs.clone(), database.path().to_owned());
                move |c| {
                    garbage::sweep(c, &blobs, &path)??;
                    Ok::<_, Error>(rows::last_content(c)?)
                }
            })
            .await??;
        database
            .write(move |c| {
                c.execute("DELETE FROM garbage", [])?;
                c.execute("DELETE FROM uploads WHERE finished < ?1", [forgotten])?;
                Ok::<_, Error>(())
            })
            .await?;
        let inner = Arc::new_cyclic(|weak| {
            let pins = Arc::new(Pins::default());
            let sweeper = tokio::spawn({
                let (weak, pins) = (std::sync::Weak::<Inner>::clone(weak), Arc::clone(&pins));
                async move {
                    loop {
                        pins.wake.notified().await;
                        let Some(inner) = weak.upgrade() else { return };
                        garbage::drain(&inner.database, &inner.blobs, &pins).await;
                    }
                }
            });
            let last_content = AtomicI64::new(last_content);
            Inner { database, blobs, clock, limits, pins, last_content, sweeper }
        });
        Ok(Self { inner })
    }

    /// The object without its bytes, `None` when there is none.
    pub async fn head(&self, key: &str) -> Result<Option<Object>> {
        self.check_key(key)?;
        self.inner.database.read(|c| Ok(crate::get::find(c, key)?.map(|found| found.object))).await?
    }

    /// Removes the objects there are of up to 1,000 `keys`, all in one step. A key without an object is no
    /// error.
    pub async fn delete(&self, keys: Vec<String>) -> Result<()> {
        if keys.len() > PAGE {
            let text = format!("A delete takes up to {PAGE} keys, not {}.", keys.len());
            return Err(Error::InvalidArgument(text));
        }
        keys.iter().try_for_each(|key| self.check_key(key))?;
        if keys.is_empty() {
            return Ok(());
        }
        self.write(move |c| {
            let mut garbage = false;
            for key in &keys {
                if let Some(existing) = rows::existing(c, key)? {
                    c.prepare_cached("DELETE FROM objects WHERE key = ?1")?.execute([key])?;
                    garbage |= garbage::discard(c, existing.content)?;
                }
            }
            Ok(((), garbage))
        })
        .await
    }

    /// Runs `job` on the writer. It answers its value and whether it left files to remove.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<T> {
        let (value, garbage) = self.inner.database.write(job).await?;
        if garbage {
            self.inner.pins.wake.notify_one();
        }
        Ok(value)
    }

    /// As [`Bucket::write`], for a row with bytes: makes them durable first, and removes them when `job` says
    /// no. Once begun it goes on even if the caller goes away, or a row could be left without its file.
    pub(crate) async fn write_with<T: Send + 'static>(
        &self,
        sink: Sink,
        job: impl FnOnce(&Connection, &Stored) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<T> {
        let writer = match sink {
            Sink::Memory(bytes) => return self.write(move |c| job(c, &Stored::Inline(bytes))).await,
            Sink::File(writer) => writer,
        };
        let bucket = self.clone();
        let whole = tokio::spawn(async move {
            let id = writer.finish().await?;
            let stored = Stored::File(id.clone());
            let outcome = bucket.inner.database.write(move |c| job(c, &stored)).await;
            match outcome {
                Ok((value, garbage)) => {
                    if garbage {
                        bucket.inner.pins.wake.notify_one();
                    }
                    Ok(value)
                }
                Err(selvedge_sqlite::WriteError::Job(no)) => {
                    if let Err(error) = bucket.inner.blobs.delete(&id).await {
                        tracing::warn!(%error, blob = %id, "an unused file stays until the next start");
                    }
                    Err(no)
                }
                // Whether the row is there is known at the next start, and the file goes or stays with it.
                Err(failed) => Err(failed.into()),
            }
        });
        whole.await.map_err(|_| Error::Stopping)?
    }

    /// An id for the bytes of a new object or upload.
    pub(crate) fn new_content(&self) -> i64 {
        self.inner.last_content.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn new_version(&self) -> String {
        random_hex(&*self.inner.clock, 16)
    }

    pub(crate) fn check_key(&self, key: &str) -> Result<()> {
        if key.is_empty() || key.len() > self.inner.limits.key {
            return Err(Error::InvalidObjectName);
        }
        Ok(())
    }

    pub(crate) fn check_metadata(&self, http: &HttpMetadata, custom: &[(String, String)]) -> Result<()> {
        let custom: usize = custom.iter().map(|(name, value)| name.len() + value.len()).sum();
        if custom.max(http.size()) > self.inner.limits.metadata {
            return Err(Error::MetadataTooLarge);
        }
        Ok(())
    }
}
