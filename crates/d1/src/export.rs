//! A database as SQL text, the way `wrangler d1 export` writes it.

use std::fmt::Write as _;
use std::io;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::Database;

/// Bytes of text that are made before the reader gets them, and pieces that may wait for the reader.
const PIECE: usize = 256 * 1024;
const WAITING: usize = 4;

/// How long an export waits for whoever takes it: what it reads cannot be moved out of SQLite's log meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);

/// What an export holds.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    pub schema: bool,
    pub data: bool,
    /// Only these tables, with what belongs to them; empty for all.
    pub tables: Vec<String>,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { schema: true, data: true, tables: Vec::new() }
    }
}

/// Why an export stopped. What was given out before is not a whole database.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Cloudflare's text: the tables behind a virtual table would be written twice.
    #[error("cannot export databases with Virtual Tables ({0})")]
    VirtualTable(String),
    #[error("there is no table {0:?}")]
    NoTable(String),
    #[error("nobody has taken any of the export for {} s", PATIENCE.as_secs())]
    Stalled,
    #[error("the database could not be read")]
    Database(#[from] selvedge_sqlite::Error),
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The text of an export, piece by piece. Dropping it ends the export.
#[derive(Debug)]
pub struct Export {
    pieces: mpsc::Receiver<Result<String, ExportError>>,
}

impl Export {
    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<String, ExportError>> {
        self.pieces.recv().await
    }
}

impl Database {
    /// Starts to write the database, as it is now, as SQL. Writers go on meanwhile. Memory stays bounded: what
    /// is not taken is not made.
    pub fn export(&self, options: ExportOptions) -> Export {
        let (sender, pieces) = mpsc::channel(WAITING);
        let database = self.storage().clone();
        tokio::spawn(async move {
            let mut out = Out { text: String::with_capacity(PIECE), to: sender.clone() };
            let written = database.read_long(move |reader| dump(reader, &options, &mut out)).await;
            match written.map_err(ExportError::from).and_then(|dumped| dumped) {
                Ok(()) | Err(ExportError::Database(selvedge_sqlite::Error::Closed)) => {}
                // A receiver that is gone does not want to know.
                Err(error) => drop(sender.send(Err(error)).await),
            }
        });
        Export { pieces }
    }
}

struct Out {
    text: String,
    to: mpsc::Sender<Result<String, ExportError>>,
}

impl Out {
    fn line(&mut self, text: &str) -> Result<(), ExportError> {
        self.text.push_str(text);
        self.text.push('\n');
        if self.text.len() >= PIECE { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let piece = std::mem::replace(&mut self.text, String::with_capacity(PIECE));
        let stalled = Instant::now() + PATIENCE;
        let mut piece = Ok(piece);
        loop {
            match self.to.try_send(piece) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Closed(_)) => return Err(selvedge_sqlite::Error::Closed.into()),
                Err(TrySendError::Full(_)) if Instant::now() > stalled => return Err(ExportError::Stalled),
                Err(TrySendError::Full(again)) => piece = again,
            }
            std::thread::sleep(PAUSE);
        }
    }
}

fn dump(reader: &Connection, options: &ExportOptions, out: &mut Out) -> Result<(), ExportError> {
    // One state from the first line to the last. The drop ends it.
    let reader = reader.unchecked_transaction()?;
    let tables = tables(&reader, &options.tables)?;
    out.line("PRAGMA defer_foreign_keys=TRUE;")?;
    for (name, sql) in &tables {
        if name == "sqlite_sequence" {
            if options.data {
                out.line("DELETE FROM sqlite_sequence;")?;
                rows(&reader, name, out)?;
            }
            continue;
        }
        if options.schema {
            out.line(&format!("{};", if_not_exists(sql)))?;
        }
        if options.data {
            rows(&reader, name, out)?;
        }
    }
    if options.schema {
        others(&reader, &tables, !options.tables.is_empty(), out)?;
    }
    out.flush()
}

/// The tables to export with their SQL, in the order in which they were made.
fn tables(reader: &Connection, wanted: &[String]) -> Result<Vec<(String, String)>, ExportError> {
    let mut statement = reader.prepare(
        "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE type = 'table'
         AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'
         ORDER BY name = 'sqlite_sequence', rowid",
    )?;
    let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut all: Vec<(String, String)> = all.collect::<rusqlite::Result<_>>()?;
    if let Some(missing) = wanted.iter().find(|name| !all.iter().any(|(table, _)| table == *name)) {
        return Err(ExportError::NoTable(missing.clone()));
    }
    if !wanted.is_empty() {
        all.retain(|(table, _)| wanted.contains(table));
    }
    if let Some(module) = all.iter().find_map(|(_, sql)| module(sql)) {
        return Err(ExportError::VirtualTable(module));
    }
    Ok(all)
}

/// The module of a `CREATE VIRTUAL TABLE … USING module`.
fn module(sql: &str) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let rest = lower.strip_prefix("create virtual table")?;
    let module = rest.split_whitespace().skip_while(|word| *word != "using").nth(1)?;
    Some(module.split('(').next().unwrap_or(module).to_owned())
}

/// As wrangler has it, so that a file can be loaded over what is there.
fn if_not_exists(sql: &str) -> String {
    match sql.split_at_checked("CREATE TABLE ".len()) {
        Some((head, rest))
            if head.eq_ignore_ascii_case("CREATE TABLE ")
                && !rest.trim_start().get(..2).is_some_and(|word| word.eq_ignore_ascii_case("if")) =>
        {
            format!("CREATE TABLE IF NOT EXISTS {rest}")
        }
        _ => sql.to_owned(),
    }
}

/// An `INSERT` for every row. Generated columns are left out, as they cannot be inserted.
fn rows(reader: &Connection, table: &str, out: &mut Out) -> Result<(), ExportError> {
    let mut columns = reader.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns: Vec<String> =
        columns.query_map([table], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<_>>()?;
    let names = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",");
    let table = quoted(table);
    let mut statement = reader.prepare(&format!("SELECT {names} FROM {table}"))?;
    let mut rows = statement.query([])?;
    let head = format!("INSERT INTO {table} ({names}) VALUES(");
    let mut line = String::new();
    while let Some(row) = rows.next()? {
        line.clear();
        line.push_str(&head);
        for at in 0..columns.len() {
            if at > 0 {
                line.push(',');
            }
            literal(row.get_ref(at)?, &mut line);
        }
        line.push_str(");");
        out.line(&line)?;
    }
    Ok(())
}

/// Indexes, triggers and views; with a choice of tables only what belongs to them.
fn others(
    reader: &Connection,
    tables: &[(String, String)],
    chosen: bool,
    out: &mut Out,
) -> Result<(), ExportError> {
    let mut statement = reader.prepare(
        "SELECT tbl_name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view')
         AND sql IS NOT NULL AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'
         ORDER BY CASE type WHEN 'index' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, rowid",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, sql): (String, String) = (row.get(0)?, row.get(1)?);
        if !chosen || tables.iter().any(|(name, _)| *name == table) {
            out.line(&format!("{sql};"))?;
        }
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as SQL that gives the same value of the same type.
fn literal(value: ValueRef<'_>, out: &mut String) {
    // Writing to memory does not fail.
    let _ = match value {
        ValueRef::Null => write!(out, "NULL"),
        ValueRef::Integer(n) => write!(out, "{n}"),
        ValueRef::Real(n) if n.is_infinite() => write!(out, "{}9.0e+999", if n < 0.0 { "-" } else { "" }),
        ValueRef::Real(n) => write!(out, "{n:?}"),
        ValueRef::Text(bytes) => match str::from_utf8(bytes) {
            // SQL text ends at a NUL.
            Ok(text) if !text.contains('\0') => write!(out, "'{}'", text.replace('\'', "''")),
            _ => write!(out, "CAST({} AS TEXT)", blob(bytes)),
        },
        ValueRef::Blob(bytes) => write!(out, "{}", blob(bytes)),
    };
}

fn blob(bytes: &[u8]) -> impl std::fmt::Display + '_ {
    std::fmt::from_fn(move |f| {
        f.write_str("X'")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str("'")
    })
}

impl From<ExportError> for io::Error {
    fn from(error: ExportError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_gives_the_value_back() {
        let show = |value| {
            let mut out = String::new();
            literal(value, &mut out);
            out
        };
        assert_eq!(show(ValueRef::Real(1.0)), "1.0");
        assert_eq!(show(ValueRef::Real(f64::NEG_INFINITY)), "-9.0e+999");
        assert_eq!(show(ValueRef::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(show(ValueRef::Text(b"it's")), "'it''s'");
        assert_eq!(show(ValueRef::Text(b"a\0b")), "CAST(X'610062' AS TEXT)");
        assert_eq!(show(ValueRef::Blob(&[0, 255])), "X'00FF'");
    }

    #[test]
    fn a_module_is_found_in_its_sql() {
        assert_eq!(module("CREATE VIRTUAL TABLE \"t\" USING fts5(a)").as_deref(), Some("fts5"));
        assert_eq!(module("CREATE TABLE t (using fts5)"), None);
    }

    #[test]
    fn a_table_is_made_only_when_it_is_not_there() {
        assert_eq!(if_not_exists("CREATE TABLE t (a)"), "CREATE TABLE IF NOT EXISTS t (a)");
        assert_eq!(if_not_exists("CREATE TABLE IF NOT EXISTS t (a)"), "CREATE TABLE IF NOT EXISTS t (a)");
    }
}
