//! Many keys in one call, a few commits for all of them.

use std::sync::Arc;

use bytes::Bytes;

use crate::namespace::Inner;
use crate::put::{INLINE, NewFile};
use crate::row::Stored;
use crate::schema::{self, NewRow};
use crate::{Error, Namespace, PutOptions, Refusal, Result};

/// Rows that share a commit, so that other writers get their turn in between.
const STEP: usize = 500;
/// Bytes of values that share a commit.
const STEP_BYTES: u64 = 4 * 1024 * 1024;

/// One put of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub value: Bytes,
    pub options: PutOptions,
}

/// What became of a bulk write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkOutcome {
    /// Keys that were written or deleted.
    pub done: usize,
    /// Keys that were not, in the order of the call, and why.
    pub refused: Vec<(String, Refusal)>,
}

impl Namespace {
    /// Puts all pairs, in their order, and returns when they are on disk. A pair that is refused does not keep the
    /// others from being put. A call with too many pairs, or too many bytes, is refused as a whole.
    ///
    /// It is not one transaction: readers may see some pairs before others, and after an error, as after a crash,
    /// the first pairs may be there and the others not.
    pub async fn put_bulk(&self, pairs: Vec<Pair>) -> Result<BulkOutcome> {
        let limits = self.limits();
        limits.check_pairs(pairs.len())?;
        let bytes = pairs.iter().map(|pair| pair.value.len() as u64).sum::<u64>();
        if bytes > limits.bulk_put_bytes {
            return Err(Refusal::BulkTooLarge { limit: limits.bulk_put_bytes }.into());
        }
        let inner = Arc::clone(&self.inner);
        // A caller that goes away does not stop it: a file could be left that no row names.
        finish(tokio::spawn(async move { inner.put_bulk(pairs).await })).await
    }

    /// Deletes all keys, as [`Namespace::put_bulk`] puts pairs.
    pub async fn delete_bulk(&self, keys: Vec<String>) -> Result<BulkOutcome> {
        self.limits().check_pairs(keys.len())?;
        let inner = Arc::clone(&self.inner);
        finish(tokio::spawn(async move { inner.delete_bulk(keys).await })).await
    }
}

async fn finish(task: tokio::task::JoinHandle<Result<BulkOutcome>>) -> Result<BulkOutcome> {
    task.await.unwrap_or(Err(selvedge_sqlite::Error::Closed.into()))
}

/// Rows that are ready to be committed.
#[derive(Debug, Default)]
struct Group {
    rows: Vec<(NewRow, u64, Stored)>,
    bytes: u64,
}

impl Inner {
    async fn put_bulk(&self, pairs: Vec<Pair>) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        let mut group = Group::default();
        for Pair { key, value, options } in pairs {
            let size = value.len() as u64;
            let row = match self.admit_pair(&key, size, &options) {
                Ok(row) => row,
                Err(no) => {
                    outcome.refused.push((key, no));
                    continue;
                }
            };
            let stored = if value.len() <= INLINE {
                group.bytes += size;
                Stored::Inline(value)
            } else {
                self.store_file(&value, &group).await?
            };
            group.rows.push((row, size, stored));
            if group.rows.len() == STEP || group.bytes >= STEP_BYTES {
                outcome.done += self.commit(std::mem::take(&mut group)).await?;
            }
        }
        outcome.done += self.commit(group).await?;
        Ok(outcome)
    }

    fn admit_pair(&self, key: &str, size: u64, options: &PutOptions) -> Result<NewRow, Refusal> {
        let row = self.admit(key, options)?;
        self.limits.check_value(size)?;
        self.admit_write(key)?;
        Ok(row)
    }

    async fn store_file(&self, value: &[u8], group: &Group) -> Result<Stored> {
        let stored = async {
            let mut file = NewFile::create(self, Some(value.len() as u64)).await?;
            file.write(value).await?;
            file.finish(self).await
        };
        match stored.await {
            Ok((_, stored)) => Ok(stored),
            Err(failed) => {
                // The rows that should name the files of this group will not be written.
                for (_, _, stored) in &group.rows {
                    if let Stored::File { id, .. } = stored {
                        self.blobs.delete(id).await.map_err(Error::ValueFile)?;
                    }
                }
                Err(failed)
            }
        }
    }

    async fn commit(&self, group: Group) -> Result<usize> {
        if group.rows.is_empty() {
            return Ok(0);
        }
        let (rows, files) =
            (group.rows.len(), group.rows.iter().map(|(_, _, stored)| stored.clone()).collect::<Vec<_>>());
        let written = async {
            let job = move |connection: &rusqlite::Connection| {
                let mut garbage = false;
                for (row, size, stored) in &group.rows {
                    garbage |= schema::put(connection, row, *size, stored)?;
                }
                Ok::<_, rusqlite::Error>(garbage)
            };
            Ok(self.database()?.write(job).await?)
        };
        let written = written.await;
        self.abandon_after(&written, &files).await?;
        self.wake_for(written?);
        Ok(rows)
    }

    async fn delete_bulk(&self, keys: Vec<String>) -> Result<BulkOutcome> {
        let mut outcome = BulkOutcome::default();
        let mut admitted = Vec::with_capacity(keys.len());
        for key in keys {
            match self.limits.check_key(&key).and_then(|()| self.admit_write(&key)) {
                Ok(()) => admitted.push(key),
                Err(no) => outcome.refused.push((key, no)),
            }
        }
        for step in admitted.chunks(STEP) {
            let keys = step.to_vec();
            let job = move |connection: &rusqlite::Connection| {
                let mut garbage = false;
                for key in &keys {
                    garbage |= schema::delete(connection, key)?;
                }
                Ok::<_, rusqlite::Error>(garbage)
            };
            let garbage = self.database()?.write(job).await?;
            self.wake_for(garbage);
            outcome.done += step.len();
        }
        Ok(outcome)
    }
}
