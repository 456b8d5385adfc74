//! What is asked and what is answered.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::Serialize;

/// One element of a request. `sql` is usually one statement; of several, separated by semicolons, the last
/// takes the parameters and gives the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub sql: String,
    /// By position: the first is `?1`.
    pub params: Vec<Param>,
}

impl Statement {
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }

    #[must_use]
    pub fn bind(mut self, params: impl IntoIterator<Item = Param>) -> Self {
        self.params.extend(params);
        self
    }
}

/// A bound value.
#[derive(Clone, Debug, PartialEq)]
pub enum Param {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl ToSql for Param {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(n) => ValueRef::Integer(*n),
            Self::Real(n) => ValueRef::Real(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The JSON that rows become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `[{"column": value, …}, …]`; of columns with the same name the last one counts.
    Objects,
    /// `{"columns": [name, …], "rows": [[value, …], …]}`.
    RowsAndColumns,
}

/// The answer to one request that succeeded.
#[derive(Clone, Debug)]
pub struct Answer {
    /// One for each element of the request that was more than comments.
    pub outcomes: Vec<Outcome>,
    /// Given when the request came from a session. It rises with every commit, across restarts too unless the
    /// machine's clock was set back, and says: at least as new as everything answered before.
    pub bookmark: Option<String>,
}

/// What one element of a request gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// JSON in the requested [`Format`]. NULL and infinities are `null`, BLOBs arrays of bytes, integers exact
    /// (JavaScript rounds them beyond 2^53), and text that is not UTF-8 has U+FFFD in place of what is wrong.
    pub rows: Vec<u8>,
    pub meta: Meta,
}

/// Cloudflare's `meta` object. Serialises to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Meta {
    pub served_by: &'static str,
    /// Of a database that has replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_by_region: Option<&'static str>,
    pub served_by_primary: bool,
    pub total_attempts: u32,
    pub timings: Timings,
    /// Milliseconds.
    pub duration: f64,
    /// Rows inserted, updated and deleted, those by triggers and cascades included.
    pub changes: u64,
    /// Of the last insert into the database by anyone, as `last_insert_rowid()` tells it.
    pub last_row_id: i64,
    pub changed_db: bool,
    /// Bytes of the pages in use. The file is larger after much was deleted.
    pub size_after: u64,
    /// Rows and index entries looked at, as SQLite counted them.
    pub rows_read: u64,
    /// Rows and index entries written, as SQLite counted them.
    pub rows_written: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timings {
    pub sql_duration_ms: f64,
}
