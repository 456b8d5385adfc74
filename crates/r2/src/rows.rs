//! Objects as rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row};
use selvedge_base::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, HttpMetadata, Object, Result};

/// Columns of `objects` in the order that [`object`] reads them, without the metadata that a listing may leave
/// out.
pub(crate) const COLUMNS: &str = "key, content, size, etag, version, uploaded, class, checksums";

pub(crate) fn object(row: &Row<'_>) -> Result<Object> {
    Ok(Object {
        key: row.get(0)?,
        size: unsigned(row.get(2)?),
        etag: row.get(3)?,
        version: row.get(4)?,
        uploaded: Millis(unsigned(row.get(5)?)),
        class: row.get(6)?,
        checksums: json(row, 7, "checksums")?,
        http: HttpMetadata::default(),
        custom: Vec::new(),
    })
}

/// The JSON in column `index`.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize, what: &'static str) -> Result<T> {
    let text = row.get_ref(index)?.as_str().map_err(rusqlite::Error::from)?;
    serde_json::from_str(text).map_err(|_| Error::Corrupt(what))
}

/// A value as a column keeps it.
pub(crate) fn text<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::Corrupt("metadata"))
}

/// What has to be known of an object to replace or remove it.
#[derive(Debug)]
pub(crate) struct Existing {
    pub(crate) content: i64,
    pub(crate) etag: String,
    pub(crate) uploaded: Millis,
}

pub(crate) fn existing(c: &Connection, key: &str) -> Result<Option<Existing>> {
    let row = c
        .prepare_cached("SELECT content, etag, uploaded FROM objects WHERE key = ?1")?
        .query_row([key], |row| {
            let uploaded = Millis(unsigned(row.get(2)?));
            Ok(Existing { content: row.get(0)?, etag: row.get(1)?, uploaded })
        })
        .optional()?;
    Ok(row)
}

/// Writes the row of `object`, over the one of the same key if there is one.
pub(crate) fn write(c: &Connection, object: &Object, content: i64) -> Result<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO objects
         (key, content, size, etag, version, uploaded, class, checksums, http, custom)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((
        &object.key,
        content,
        signed(object.size),
        &object.etag,
        &object.version,
        signed(object.uploaded.0),
        object.class,
        text(&object.checksums)?,
        text(&object.http)?,
        text(&object.custom)?,
    ))?;
    Ok(())
}

/// SQLite counts with a sign; no size or time of ours comes near the difference.
pub(crate) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Bytes to compare keys with, which need not be UTF-8 themselves.
pub(crate) struct KeyBytes<'a>(pub(crate) &'a [u8]);

impl ToSql for KeyBytes<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// The largest content id in use, so that new ones do not meet old ones. An object's is in `inline` or `parts`.
pub(crate) fn last_content(c: &Connection) -> rusqlite::Result<i64> {
    c.query_row(
        "SELECT max(coalesce((SELECT max(content) FROM inline), 0),
                    coalesce((SELECT max(content) FROM parts), 0),
                    coalesce((SELECT max(content) FROM uploads), 0))",
        [],
        |row| row.get(0),
    )
}
