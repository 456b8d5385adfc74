//! The shape of a namespace's file and every statement that touches it.

use rusqlite::{Connection, OptionalExtension as _, params};
use selvedge_sqlite::Schema;

use crate::Result;
use crate::checksum::{self, Head};
use crate::row::{Row, Stored};

/// `value` comes last, so that a listing never walks through it. A row has either a `value` or the id of a
/// `blob`; `expires` is in seconds since the epoch. `garbage` names value files that no row needs any more,
/// written in the transaction that stopped needing them.
///
/// The sums of the second step are those of `checksum`. They are null in rows that are older than it: such a row
/// is served unchecked until its key is put again.
pub(crate) static SCHEMA: Schema = Schema {
    kind: "KV namespace",
    application_id: 0x5345_4c4b,
    steps: &[
        "
        CREATE TABLE entries (
            key TEXT NOT NULL PRIMARY KEY,
            expires INTEGER,
            size INTEGER NOT NULL,
            blob TEXT,
            metadata TEXT,
            value BLOB,
            CHECK ((blob IS NULL) <> (value IS NULL))
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
        CREATE INDEX entries_by_blob ON entries (blob) WHERE blob IS NOT NULL;
        CREATE TABLE garbage (blob TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
        ",
        "
        ALTER TABLE entries RENAME TO unchecked;
        CREATE TABLE entries (
            key TEXT NOT NULL PRIMARY KEY,
            expires INTEGER,
            size INTEGER NOT NULL,
            blob TEXT,
            metadata TEXT,
            head_sum INTEGER,
            value_sum INTEGER,
            value BLOB,
            CHECK ((blob IS NULL) <> (value IS NULL))
        ) STRICT, WITHOUT ROWID;
        INSERT INTO entries (key, expires, size, blob, metadata, value)
            SELECT key, expires, size, blob, metadata, value FROM unchecked ORDER BY key;
        DROP TABLE unchecked;
        CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
        CREATE INDEX entries_by_blob ON entries (blob) WHERE blob IS NOT NULL;
        ",
    ],
};

/// What a put leaves in the table.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) key: String,
    pub(crate) expires: Option<i64>,
    pub(crate) metadata: Option<String>,
}

pub(crate) fn find(connection: &Connection, key: &str) -> Result<Option<Row>> {
    let row = connection
        .prepare_cached(
            "SELECT key, expires, size, blob, metadata, head_sum, value_sum, value
             FROM entries WHERE key = ?1",
        )?
        .query_row([key], |row| Ok(Row::read(row)))
        .optional()?;
    row.transpose()
}

/// Calls `each` with the rows after the key `after`, in order, checked, until it answers false.
pub(crate) fn walk(
    connection: &Connection,
    after: &str,
    mut each: impl FnMut(&str, Result<Row>) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT key, expires, size, blob, metadata, head_sum, value_sum, value
         FROM entries WHERE key > ?1 ORDER BY key",
    )?;
    let mut rows = statement.query([after])?;
    while let Some(row) = rows.next()? {
        let key = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?);
        if !each(&key, Row::read(row)) {
            break;
        }
    }
    Ok(())
}

/// Answers whether a value file became garbage.
pub(crate) fn put(
    connection: &Connection,
    row: &NewRow,
    size: u64,
    stored: &Stored,
) -> rusqlite::Result<bool> {
    let garbage = discard_file(connection, &row.key)?;
    let (value, blob, value_sum) = match stored {
        Stored::Inline(bytes) => (Some(&bytes[..]), None, Some(checksum::of(bytes))),
        Stored::File { id, sum } => (None, Some(id.as_str()), *sum),
    };
    let head = Head {
        key: row.key.as_bytes(),
        expires: row.expires,
        size: size.cast_signed(),
        blob: blob.map(str::as_bytes),
        metadata: row.metadata.as_deref().map(str::as_bytes),
        value_sum: value_sum.unwrap_or(0),
    };
    let head_sum = value_sum.map(|_| head.sum());
    connection
        .prepare_cached(
            "INSERT INTO entries (key, expires, size, blob, metadata, head_sum, value_sum, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (key) DO UPDATE SET expires = excluded.expires, size = excluded.size,
                 blob = excluded.blob, metadata = excluded.metadata, head_sum = excluded.head_sum,
                 value_sum = excluded.value_sum, value = excluded.value",
        )?
        .execute(params![row.key, row.expires, head.size, blob, row.metadata, head_sum, value_sum, value])?;
    Ok(garbage)
}

/// Answers whether a value file became garbage. A key that is not there is no error.
pub(crate) fn delete(connection: &Connection, key: &str) -> rusqlite::Result<bool> {
    let garbage = discard_file(connection, key)?;
    connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key])?;
    Ok(garbage)
}

fn discard_file(connection: &Connection, key: &str) -> rusqlite::Result<bool> {
    let discarded = connection
        .prepare_cached("INSERT INTO garbage SELECT blob FROM entries WHERE key = ?1 AND blob IS NOT NULL")?
        .execute([key])?;
    Ok(discarded > 0)
}

/// Removes up to `most` keys that expired by `now`, the longest expired first. Answers how many there were.
pub(crate) fn delete_expired(connection: &Connection, now: i64, most: u32) -> rusqlite::Result<usize> {
    let mut expired =
        connection.prepare_cached("SELECT key FROM entries WHERE expires <= ?1 ORDER BY expires LIMIT ?2")?;
    let keys = expired
        .query_map(params![now, most], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for key in &keys {
        delete(connection, key)?;
    }
    Ok(keys.len())
}

pub(crate) fn is_live(connection: &Connection, blob: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM entries WHERE blob = ?1")?.exists([blob])
}

/// Does a row name this value file, or is it known that none does any more?
pub(crate) fn is_known(connection: &Connection, blob: &str) -> rusqlite::Result<bool> {
    let garbage = connection.prepare_cached("SELECT 1 FROM garbage WHERE blob = ?1")?.exists([blob])?;
    Ok(garbage || is_live(connection, blob)?)
}

pub(crate) fn garbage(connection: &Connection, most: u32) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT blob FROM garbage LIMIT ?1")?
        .query_map([most], |row| row.get(0))?
        .collect()
}

pub(crate) fn forget_garbage(connection: &Connection, blobs: &[String]) -> rusqlite::Result<()> {
    let mut forget = connection.prepare_cached("DELETE FROM garbage WHERE blob = ?1")?;
    for blob in blobs {
        forget.execute([blob])?;
    }
    Ok(())
}
