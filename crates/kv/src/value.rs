use std::io;

use bytes::Bytes;
use selvedge_blob::BlobId;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// A value to be read. A large one is a file that stays readable whatever happens to its key meanwhile.
#[derive(Debug)]
pub enum Value {
    Inline(Bytes),
    /// Reads from the start; `len` is its length in bytes.
    File {
        file: File,
        len: u64,
    },
}

impl Value {
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the value into memory.
    pub async fn into_bytes(self) -> io::Result<Bytes> {
        match self {
            Self::Inline(bytes) => Ok(bytes),
            Self::File { mut file, len } => {
                let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
                file.read_to_end(&mut bytes).await?;
                Ok(bytes.into())
            }
        }
    }
}

/// What a key holds. `V` is [`Value`], or [`Bytes`] where the value was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<V = Value> {
    pub value: V,
    /// JSON text, as it was put.
    pub metadata: Option<String>,
    /// Seconds since the epoch.
    pub expiration: Option<u64>,
}

/// Where the bytes of a value are.
#[derive(Debug)]
pub(crate) enum Stored {
    Inline(Bytes),
    File(BlobId),
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) stored: Stored,
    pub(crate) size: u64,
    pub(crate) metadata: Option<String>,
    pub(crate) expires: Option<u64>,
}

impl Row {
    /// From the columns `expires, size, blob, metadata, value`.
    pub(crate) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let stored = match row.get_ref(2)?.as_str_or_null()? {
            None => Stored::Inline(Bytes::copy_from_slice(row.get_ref(4)?.as_blob()?)),
            Some(id) => Stored::File(BlobId::parse(id).ok_or_else(|| {
                let wrong = format!("{id:?} cannot be the name of a value file");
                rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, wrong.into())
            })?),
        };
        let expires: Option<i64> = row.get(0)?;
        Ok(Self {
            stored,
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            metadata: row.get(3)?,
            expires: expires.map(i64::cast_unsigned),
        })
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}
