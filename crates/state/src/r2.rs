//! An R2 bucket of Miniflare's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use selvedge_sqlite::open_foreign;
use selvedge_sqlite::rusqlite::{self, Connection, Row, params};
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// A bucket that is open for reading.
#[derive(Debug)]
pub struct R2State {
    connection: Connection,
    path: PathBuf,
    blobs: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2Object {
    pub key: String,
    pub size: u64,
    /// The files whose bytes, one after the other, are the object's.
    pub files: Vec<PathBuf>,
    /// As a Worker's `httpMetadata`: `contentType`, `cacheControl` …
    pub http_metadata: BTreeMap<String, serde_json::Value>,
    pub custom_metadata: BTreeMap<String, String>,
}

impl R2State {
    pub(crate) fn open(path: &Path, blobs: PathBuf) -> Result<Self> {
        let opening = |source| Error::Database { path: path.to_owned(), source: Box::new(source) };
        Ok(Self { connection: open_foreign(path).map_err(opening)?, path: path.to_owned(), blobs })
    }

    /// How many objects there are.
    pub fn count(&self) -> Result<u64> {
        let counted =
            self.connection.query_row("SELECT count(*) FROM _mf_objects", [], |row| row.get::<_, i64>(0));
        counted.map(i64::unsigned_abs).map_err(|source| self.layout(source))
    }

    /// Up to `limit` objects after the key `after`, by key; `None` starts at the first.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<R2Object>> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT key, size, blob_id, http_metadata, custom_metadata FROM _mf_objects
                 WHERE ?1 IS NULL OR key > ?1 ORDER BY key LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(params![after, limit], |row| self.object(row))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.layout(source))
    }

    fn object(&self, row: &Row<'_>) -> rusqlite::Result<R2Object> {
        let key: String = row.get(0)?;
        let files = match row.get::<_, Option<String>>(2)? {
            Some(blob) => vec![self.blobs.join(blob)],
            None => self.parts(&key)?,
        };
        Ok(R2Object {
            files,
            size: row.get::<_, i64>(1)?.unsigned_abs(),
            http_metadata: json(row, 3)?,
            custom_metadata: json(row, 4)?,
            key,
        })
    }

    fn parts(&self, key: &str) -> rusqlite::Result<Vec<PathBuf>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT blob_id FROM _mf_multipart_parts WHERE object_key = ?1 ORDER BY part_number",
        )?;
        let rows = statement.query_map([key], |row| Ok(self.blobs.join(row.get::<_, String>(0)?)))?;
        rows.collect()
    }

    fn layout(&self, source: rusqlite::Error) -> Error {
        Error::Layout { path: self.path.clone(), source }
    }
}

fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let text: String = row.get(at)?;
    let failed =
        |error| rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error));
    serde_json::from_str(&text).map_err(failed)
}
