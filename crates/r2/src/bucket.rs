use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use selvedge_base::{SharedClock, crash_point, random_hex};
use selvedge_blob::Pool;
use selvedge_sqlite::{Database, Options};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::content::Source;
use crate::features::settings::{BucketOptions, Live, Settings};
use crate::garbage::{self, Pins};
use crate::receive::{Sink, Stored};
use crate::schema::SCHEMA;
use crate::unsettled::Unsettled;
use crate::{Error, HttpMetadata, Limits, Result, keeper, rows};

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
    pub(crate) live: Arc<Live>,
    pub(crate) unsettled: Unsettled,
    /// Held by who brings the settings in memory up to date.
    pub(crate) settings_turn: tokio::sync::Mutex<()>,
    pool: Pool,
    last_content: AtomicI64,
    keeper: JoinHandle<()>,
}

impl Inner {
    pub(crate) fn source(&self) -> Source {
        Source { blobs: self.blobs.clone(), pool: self.pool.clone() }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("database", &self.inner.database.path()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Where a bucket is.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) database: PathBuf,
    pub(crate) blobs: PathBuf,
}

/// How long a finished upload is remembered, so that finishing it again gets the right answer.
const REMEMBER_UPLOADS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Buffers for reading that are kept while nobody reads.
const IDLE_BUFFERS: usize = 32;

/// Keeps SQLite from planning a statement anew for other parameters, which it is built to do (STAT4): every one
/// of ours is a look-up by a key or a walk along one, and planning takes longer than running it.
fn keep_plans(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

impl Bucket {
    /// Opens a bucket, creating it with `options` when it is not there.
    pub(crate) async fn open(
        place: Place,
        options: &BucketOptions,
        clock: SharedClock,
        limits: Limits,
    ) -> Result<Self> {
        let now = clock.now();
        let forgotten = rows::signed(now.0.saturating_sub(REMEMBER_UPLOADS));
        let blob_clock = Arc::clone(&clock);
        let (database, blobs) = spawn_blocking(move || {
            let options = Options { prepare: keep_plans, ..Options::new(&SCHEMA) };
            let database = Database::open(&place.database, options)?;
            let blobs = selvedge_blob::Store::open(&place.blobs, blob_clock)?;
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
        let options = options.clone();
        let settings = database
            .write(move |c| {
                c.execute("DELETE FROM garbage", [])?;
                c.execute("DELETE FROM uploads WHERE finished < ?1", [forgotten])?;
                if Settings::load(c)?.is_none() {
                    Settings::create(c, now, &options)?;
                }
                Settings::load(c)?.ok_or(Error::Corrupt("the bucket's settings"))
            })
            .await?;
        let inner = Arc::new_cyclic(|weak| {
            let pins = Arc::new(Pins::default());
            let live = Arc::new(Live::new(place.name, Arc::clone(&clock), settings));
            let keeper = tokio::spawn(keeper::run(weak.clone(), Arc::clone(&pins)));
            Inner {
                database,
                blobs,
                clock,
                limits,
                pins,
                live,
                unsettled: Unsettled::default(),
                settings_turn: tokio::sync::Mutex::default(),
                pool: Pool::new(IDLE_BUFFERS),
                last_content: AtomicI64::new(last_content),
                keeper,
            }
        });
        Ok(Self { inner })
    }

    /// Ends the bucket for good if it has no objects. Whoever still has it is told that it does not exist.
    pub(crate) async fn close_empty(&self) -> Result<()> {
        let live = self.inner.live.clone();
        let ended = self
            .write(move |c| {
                live.require()?;
                let any = c.prepare_cached("SELECT 1 FROM objects LIMIT 1")?.exists([])?;
                if any {
                    return Err(Error::BucketNotEmpty(live.name().to_owned()));
                }
                // From here on no job of the writer gets past `require`.
                live.set_deleted(true);
                Ok(((), false))
            })
            .await;
        match ended {
            Ok(()) => Ok(self.inner.database.close().await?),
            Err(no @ Error::BucketNotEmpty(_)) => Err(no),
            Err(failed) => {
                self.inner.live.set_deleted(false);
                Err(failed)
            }
        }
    }

    /// Runs `job` on the writer. It answers its value and whether it left files to remove.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<T> {
        crash_point("r2-before-commit", self.inner.database.path());
        let (value, garbage) = self.inner.database.write(job).await?;
        crash_point("r2-committed", self.inner.database.path());
        self.wrote(garbage);
        Ok(value)
    }

    fn wrote(&self, garbage: bool) {
        if garbage {
            self.inner.pins.wake.notify_one();
        }
    }

    /// As [`Bucket::write`], for a row with bytes: makes them durable first, and removes them when `job` says
    /// no. Once begun it goes on even if the caller goes away, or a row could be left without its file.
    pub(crate) async fn write_with<T: Send + 'static>(
        &self,
        sink: Sink,
        job: impl FnOnce(&Connection, &Stored) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<T> {
        let (writer, guard, salt) = match sink {
            Sink::Memory(bytes, salt) => {
                return self.write(move |c| job(c, &Stored::Inline { bytes, salt })).await;
            }
            Sink::File(writer, guard, salt) => (writer, guard, salt),
        };
        let bucket = self.clone();
        let whole = tokio::spawn(async move {
            let file = writer.finish_sealed().await?;
            crash_point("r2-before-commit", bucket.inner.database.path());
            let stored = Stored::File { id: file.id.clone(), sum: file.sum, salt };
            let outcome = bucket.inner.database.write(move |c| job(c, &stored)).await;
            crash_point("r2-committed", bucket.inner.database.path());
            let answer = match outcome {
                Ok((value, garbage)) => {
                    bucket.wrote(garbage);
                    Ok(value)
                }
                Err(selvedge_sqlite::WriteError::Job(no)) => {
                    if let Err(error) = bucket.inner.blobs.delete(&file.id).await {
                        tracing::warn!(%error, blob = %file.id, "an unused file stays until the next start");
                    }
                    Err(no)
                }
                // Whether the row is there is known at the next start, and the file goes or stays with it.
                Err(failed) => Err(failed.into()),
            };
            drop(guard);
            answer
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
        self.inner.live.require()?;
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
