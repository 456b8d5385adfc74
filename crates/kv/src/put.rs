use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use selvedge_blob::Writer;

use crate::namespace::Inner;
use crate::schema::{self, NewRow};
use crate::value::Stored;
use crate::{Error, Namespace, Result};

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
        let row = self.admit(key, options)?;
        let value = value.into();
        self.inner.limits.check_value(value.len() as u64)?;
        if value.len() <= INLINE {
            return self.inner.put_row(row, Stored::Inline(value)).await;
        }
        let mut file = self.inner.blobs.create().await.map_err(Error::ValueFile)?;
        file.write(&value).await.map_err(Error::ValueFile)?;
        self.put_file(row, file, value.len() as u64).await
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
        let row = self.admit(key, options)?;
        let limits = &self.inner.limits;
        limits.check_value(options.length.unwrap_or(0))?;
        let mut value = pin!(value);
        let (mut small, mut file, mut size) = (Vec::new(), None, 0);
        while let Some(chunk) = value.next().await {
            let chunk = chunk.map_err(Error::Sender)?;
            size += chunk.len() as u64;
            if limits.check_value(size).is_err() {
                (small, file) = (Vec::new(), None);
            } else if let Some(file) = &mut file {
                Writer::write(file, &chunk).await.map_err(Error::ValueFile)?;
            } else if size <= INLINE as u64 {
                small.extend_from_slice(&chunk);
            } else {
                let mut new = self.inner.blobs.create().await.map_err(Error::ValueFile)?;
                new.write(&small).await.map_err(Error::ValueFile)?;
                new.write(&chunk).await.map_err(Error::ValueFile)?;
                (small, file) = (Vec::new(), Some(new));
            }
        }
        limits.check_value(size)?;
        match file {
            Some(file) => self.put_file(row, file, size).await,
            None => self.inner.put_row(row, Stored::Inline(small.into())).await,
        }
    }

    fn admit(&self, key: &str, options: &PutOptions) -> Result<NewRow> {
        let limits = &self.inner.limits;
        limits.check_key(key)?;
        let expires = limits.expires(options, self.inner.now())?;
        if let Some(metadata) = &options.metadata {
            limits.check_metadata(metadata)?;
        }
        Ok(NewRow {
            key: key.to_owned(),
            expires: expires.map(|at| i64::try_from(at).unwrap_or(i64::MAX)),
            metadata: options.metadata.clone(),
        })
    }

    /// Makes the file durable, then the row. A caller that goes away meanwhile stops neither: otherwise a
    /// file could be left that no row names.
    async fn put_file(&self, row: NewRow, file: Writer, size: u64) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let stored = tokio::spawn(async move {
            let blob = file.finish().await.map_err(Error::ValueFile)?;
            let stored = inner.put_row_of(row, size, Stored::File(blob.clone())).await;
            // After any other failure the row may still turn up when the log is replayed: the next start
            // knows, and sweeps.
            if stored.as_ref().is_err_and(Error::is_disk_full) {
                inner.blobs.delete(&blob).await.map_err(Error::ValueFile)?;
            }
            stored
        });
        stored.await.unwrap_or(Err(selvedge_sqlite::Error::Closed.into()))
    }
}

impl Inner {
    async fn put_row(&self, row: NewRow, stored: Stored) -> Result<()> {
        let size = match &stored {
            Stored::Inline(bytes) => bytes.len() as u64,
            Stored::File(_) => 0,
        };
        self.put_row_of(row, size, stored).await
    }

    async fn put_row_of(&self, row: NewRow, size: u64, stored: Stored) -> Result<()> {
        let job = move |connection: &_| schema::put(connection, &row, size, &stored);
        let garbage = self.database.write(job).await?;
        self.wake_for(garbage);
        Ok(())
    }
}
