//! A KV namespace of another runtime.

use std::path::{Path, PathBuf};

use selvedge_sqlite::open_foreign;
use selvedge_sqlite::rusqlite::{self, Connection, params};

use crate::state::Owner;
use crate::{Error, Result};

/// A namespace that is open for reading.
#[derive(Debug)]
pub struct KvState {
    connection: Connection,
    path: PathBuf,
    blobs: PathBuf,
    owner: Owner,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub key: String,
    pub value: PairValue,
    /// Seconds since the epoch.
    pub expiration: Option<u64>,
    /// JSON text.
    pub metadata: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairValue {
    Inline(Vec<u8>),
    File(PathBuf),
}

impl KvState {
    pub(crate) fn open(path: &Path, blobs: PathBuf, owner: Owner) -> Result<Self> {
        let opening = |source| Error::Database { path: path.to_owned(), source: Box::new(source) };
        Ok(Self { connection: open_foreign(path).map_err(opening)?, path: path.to_owned(), blobs, owner })
    }

    /// How many keys there are, expired ones included.
    pub fn count(&self) -> Result<u64> {
        let table = match self.owner {
            Owner::Wrangler => "_mf_entries",
            Owner::Workerd => "entries",
        };
        let count = format!("SELECT count(*) FROM {table}");
        let counted = self.connection.query_row(&count, [], |row| row.get::<_, i64>(0));
        counted.map(i64::unsigned_abs).map_err(|source| self.layout(source))
    }

    /// Up to `limit` pairs after the key `after`, by key; `None` starts at the first.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Pair>> {
        // Miniflare has every value in a file, workerd the small ones in the row.
        let sql = match self.owner {
            Owner::Wrangler => {
                "SELECT key, NULL, blob_id, expiration, metadata FROM _mf_entries
                 WHERE ?1 IS NULL OR key > ?1 ORDER BY key LIMIT ?2"
            }
            Owner::Workerd => {
                "SELECT key, value, blob, expiration, metadata FROM entries
                 WHERE ?1 IS NULL OR key > ?1 ORDER BY key LIMIT ?2"
            }
        };
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    let value = match row.get::<_, Option<String>>(2)? {
                        Some(blob) => PairValue::File(self.blobs.join(blob)),
                        None => PairValue::Inline(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default()),
                    };
                    Ok(Pair {
                        key: row.get(0)?,
                        value,
                        expiration: row.get::<_, Option<i64>>(3)?.map(|millis| millis.unsigned_abs() / 1000),
                        metadata: row.get(4)?,
                    })
                })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.layout(source))
    }

    fn layout(&self, source: rusqlite::Error) -> Error {
        Error::Layout { path: self.path.clone(), source }
    }
}
