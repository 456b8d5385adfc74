use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use selvedge_base::crash_point;
use selvedge_blob::Finished;

use crate::namespace::Inner;
use crate::row::Stored;
use crate::schema::{self, NewRow};
use crate::{Error, Namespace, Refusal, Result};

/// Values up to this many bytes are kept in the row, larger ones in a file of their own.
pub(crate) const INLINE: usize = 64 * 1024;

/// What a put says besides the key and the value. A put replaces everything: what is not said is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// When the key expires, in seconds since the epoch.
    pub expiration: Option<i64>,
    /// In how many seconds the key expires. Wins over `expiration`.
    pub expiration_ttl: Option<i64>,
    /// JSON text.
    pub metadata: Option<String>,
    /// How long a stream will be, if its sender has said so: one that is too long is then refused unread.
    pub length: Option<u64>,
}

impl Namespace {
    /// Makes `value` the value of `key`. Returns when that is on disk.
    pub async fn put(&self, key: &str, value: impl Into<Bytes>, options: &PutOptions) -> Result<()> {
        let value = value.into();
        let row = self.inner.admit(key, options)?;
        self.inner.limits.check_value(value.len() as u64)?;
        self.inner.admit_write(key)?;
        if value.len() <= INLINE {
            return self.inner.put_row(row, value.len() as u64, Stored::Inline(value)).await;
        }
        let mut file = NewFile::create(&self.inner, Some(value.len() as u64)).await?;
        file.write(&value).await?;
        self.put_file(row, file).await
    }

    /// As [`Namespace::put`], with the bytes that `value` brings. Nothing is changed when it fails or when the
    /// returned future is dropped before it has ended.
    ///
    /// A stream that turns out too long is read to its end all the same: the refusal names its length.
    pub async fn put_stream(
        &self,
        key: &str,
        value: impl Stream<Item = io::Result<Bytes>> + Send,
        options: &PutOptions,
    ) -> Result<()> {
        let row = self.inner.admit(key, options)?;
        let limits = &self.inner.limits;
        limits.check_value(options.length.unwrap_or(0))?;
        self.inner.admit_write(key)?;
        let mut value = pin!(value);
        let (mut small, mut file, mut size) = (Vec::new(), None, 0);
        while let Some(chunk) = value.next().await {
            let chunk = chunk.map_err(Error::Sender)?;
            size += chunk.len() as u64;
            if limits.check_value(size).is_err() {
                (small, file) = (Vec::new(), None);
            } else if let Some(file) = &mut file {
                NewFile::write(file, &chunk).await?;
            } else if size <= INLINE as u64 {
                small.extend_from_slice(&chunk);
            } else {
                let mut new = NewFile::create(&self.inner, options.length).await?;
                new.write(&small).await?;
                new.write(&chunk).await?;
                (small, file) = (Vec::new(), Some(new));
            }
        }
        limits.check_value(size)?;
        match file {
            Some(file) => self.put_file(row, file).await,
            None => self.inner.put_row(row, size, Stored::Inline(small.into())).await,
        }
    }

    /// Makes the file durable, then the row. A caller that goes away meanwhile stops neither: otherwise a
    /// file could be left that no row names.
    async fn put_file(&self, row: NewRow, file: NewFile) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let stored = tokio::spawn(async move {
            let (size, stored) = file.finish(&inner).await?;
            let done = inner.put_row(row, size, stored.clone()).await;
            inner.abandon_after(&done, &[stored]).await?;
            done
        });
        stored.await.unwrap_or(Err(selvedge_sqlite::Error::Closed.into()))
    }
}

/// A large value on its way into a file.
pub(crate) struct NewFile {
    writer: selvedge_blob::Writer,
    size: u64,
}

impl NewFile {
    /// For a value of about `length` bytes, as far as that is known.
    pub(crate) async fn create(inner: &Inner, length: Option<u64>) -> Result<Self> {
        let writer =
            inner.blobs.create_sealed(length, None).await.map_err(|failed| inner.file_error(failed))?;
        Ok(Self { writer, size: 0 })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        self.writer.write(bytes).await.map_err(Error::ValueFile)
    }

    /// Makes the file durable. Answers its size and what a row has to say of it.
    pub(crate) async fn finish(self, inner: &Inner) -> Result<(u64, Stored)> {
        let Finished { id, sum } =
            self.writer.finish_sealed().await.map_err(|failed| inner.file_error(failed))?;
        crash_point("kv-file-before-row", inner.blobs.root());
        Ok((self.size, Stored::File { id, sum }))
    }
}

impl Inner {
    pub(crate) fn admit(&self, key: &str, options: &PutOptions) -> Result<NewRow, Refusal> {
        let limits = &self.limits;
        limits.check_key(key)?;
        let expires = limits.expires(options, self.now())?;
        if let Some(metadata) = &options.metadata {
            limits.check_metadata(metadata)?;
        }
        Ok(NewRow {
            key: key.to_owned(),
            expires: expires.map(|at| i64::try_from(at).unwrap_or(i64::MAX)),
            metadata: options.metadata.clone(),
        })
    }

    async fn put_row(&self, row: NewRow, size: u64, stored: Stored) -> Result<()> {
        let job = move |connection: &_| schema::put(connection, &row, size, &stored);
        let garbage = self.database()?.write(job).await?;
        self.wake_for(garbage);
        Ok(())
    }

    /// Removes the files of rows that were certainly not written. After most failures a row may still turn up
    /// when the log is replayed: the next start knows, and sweeps.
    pub(crate) async fn abandon_after<T>(&self, done: &Result<T>, stored: &[Stored]) -> Result<()> {
        if done.as_ref().is_err_and(|failed| failed.is_disk_full() || matches!(failed, Error::Deleted)) {
            for stored in stored {
                if let Stored::File { id, .. } = stored {
                    self.blobs.delete(id).await.map_err(Error::ValueFile)?;
                }
            }
        }
        Ok(())
    }

    /// A namespace that was deleted has no directory for files any more.
    fn file_error(&self, failed: io::Error) -> Error {
        match (failed.kind(), self.database()) {
            (io::ErrorKind::NotFound, Err(deleted)) => deleted,
            _ => Error::ValueFile(failed),
        }
    }
}
