//! Bytes coming in.

use std::io;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use rusqlite::Connection;
use selvedge_blob::{BlobId, Writer};

use crate::digest::Digester;
use crate::rows::signed;
use crate::{Algorithm, Bucket, Checksums, Error, Result};

/// Where bytes go while they arrive.
pub(crate) enum Sink {
    Memory(Vec<u8>),
    File(Writer),
}

/// Where they are when a row is about to name them.
pub(crate) enum Stored {
    Inline(Vec<u8>),
    File(BlobId),
}

impl Bucket {
    /// Takes `size` bytes from `body`, into memory when they are up to `inline`, else into a file. `given` says which checksums to
    /// count besides the MD5, and is verified.
    pub(crate) async fn receive(
        &self,
        mut body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
        size: u64,
        inline: Option<u64>,
        given: &Checksums,
    ) -> Result<(Sink, Checksums)> {
        let mut sink = match usize::try_from(size) {
            Ok(capacity) if inline.is_some_and(|most| size <= most) => {
                Sink::Memory(Vec::with_capacity(capacity))
            }
            _ => Sink::File(self.inner.blobs.create().await?),
        };
        let mut digester = Digester::new(given);
        let mut left = size;
        while let Some(bytes) = body.next().await {
            // The body's own failure is a client that went away or broke the protocol.
            let bytes = bytes.map_err(|_| Error::IncompleteBody)?;
            left = left.checked_sub(bytes.len() as u64).ok_or(Error::IncompleteBody)?;
            digester.update(&bytes);
            match &mut sink {
                Sink::Memory(memory) => memory.extend_from_slice(&bytes),
                Sink::File(writer) => writer.write(&bytes).await?,
            }
        }
        if left > 0 {
            return Err(Error::IncompleteBody);
        }
        let counted = digester.finish();
        counted.verify(given)?;
        Ok((sink, counted))
    }
}

impl Stored {
    /// Writes the row that makes these the bytes of `content`, or part `number` of them.
    pub(crate) fn write(
        &self,
        c: &Connection,
        content: i64,
        number: u32,
        size: u64,
        md5: &str,
    ) -> Result<()> {
        match self {
            Self::Inline(bytes) => c
                .prepare_cached("INSERT INTO inline (content, bytes) VALUES (?1, ?2)")?
                .execute((content, bytes))?,
            Self::File(id) => c
                .prepare_cached(
                    "INSERT INTO parts (content, number, size, md5, blob) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((content, number, signed(size), md5, id.as_str()))?,
        };
        Ok(())
    }
}

pub(crate) fn md5(checksums: &Checksums) -> Result<&str> {
    checksums.get(Algorithm::Md5).ok_or(Error::Corrupt("an MD5"))
}
