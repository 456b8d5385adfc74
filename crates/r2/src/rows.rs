//! Objects as rows.

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row};
use selvedge_base::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ChecksumKind, Error, HttpMetadata, Object, Result};

/// Columns of `objects` in the order that [`object`] reads them, without the metadata that a listing may leave
/// out.
pub(crate) const COLUMNS: &str =
    "key, content, size, etag, version, uploaded, class, checksums, checksum_kind, ssec";
/// Where the HTTP metadata is when it follows [`COLUMNS`], and the custom metadata behind it.
pub(crate) const HTTP: usize = 10;
pub(crate) const CUSTOM: usize = 11;

pub(crate) fn object(row: &Row<'_>) -> Result<Object> {
    Ok(Object {
        key: row.get(0)?,
        size: unsigned(row.get(2)?),
        etag: row.get(3)?,
        version: row.get(4)?,
        uploaded: Millis(unsigned(row.get(5)?)),
        class: row.get(6)?,
        checksums: json(row, 7, "checksums")?,
        checksum_kind: kind(row.get_ref(8)?.as_str_or_null().map_err(rusqlite::Error::from)?),
        ssec: maybe_json(row, 9, "encryption")?,
        http: HttpMetadata::default(),
        custom: Vec::new(),
    })
}

fn kind(text: Option<&str>) -> ChecksumKind {
    match text {
        Some("composite") => ChecksumKind::Composite,
        _ => ChecksumKind::Whole,
    }
}

/// The JSON in column `index`.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize, what: &'static str) -> Result<T> {
    maybe_json(row, index, what)?.ok_or(Error::Corrupt(what))
}

/// The JSON in column `index`, `None` for NULL.
pub(crate) fn maybe_json<T: DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
    what: &'static str,
) -> Result<Option<T>> {
    let text = row.get_ref(index)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    text.map(|text| serde_json::from_str(text).map_err(|_| Error::Corrupt(what))).transpose()
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

impl Existing {
    /// As [`crate::Conditions`] take it.
    pub(crate) fn facts(existing: Option<&Self>) -> Option<(&str, Millis)> {
        existing.map(|e| (e.etag.as_str(), e.uploaded))
    }
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
    // Not REPLACE, which would not run the trigger that counts what goes.
    c.prepare_cached(
        "INSERT INTO objects
         (key, content, size, etag, version, uploaded, class, checksums, checksum_kind, ssec, http, custom)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (key) DO UPDATE SET content = excluded.content, size = excluded.size,
             etag = excluded.etag, version = excluded.version, uploaded = excluded.uploaded,
             class = excluded.class, checksums = excluded.checksums, checksum_kind = excluded.checksum_kind,
             ssec = excluded.ssec, http = excluded.http, custom = excluded.custom",
    )?
    .execute(rusqlite::params![
        &object.key,
        content,
        signed(object.size),
        &object.etag,
        &object.version,
        signed(object.uploaded.0),
        object.class,
        text(&object.checksums)?,
        (object.checksum_kind == ChecksumKind::Composite).then_some("composite"),
        object.ssec.as_ref().map(text).transpose()?,
        text(&object.http)?,
        text(&object.custom)?,
    ])?;
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
