//! Migrations, as `wrangler d1 migrations apply` does them: `.sql` files in the order of their names, and a
//! table of those that were applied.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_sqlite::WriteError;

use crate::database::{Committed, Shared};
use crate::run::{Run, Stop};
use crate::split::split;
use crate::{Database, Format, MigrateError, QueryError, Statement};

/// For one file. Nobody waits for the answer with a Worker in hand, so it is longer than for a request.
const TIME: Duration = Duration::from_mins(10);

/// A file of SQL.
struct Migration {
    name: String,
    text: String,
}

impl Database {
    /// Applies the files in `directory` that `table` does not name yet, and returns the names of those. Each
    /// file and its row in the table are one transaction, so a failure leaves the files before it applied.
    ///
    /// The SQL is a user's, under the same policy as a Worker's. Names and table are wrangler's, so either can
    /// go on where the other stopped.
    pub async fn migrate(&self, directory: &Path, table: &str) -> Result<Vec<String>, MigrateError> {
        let mut applied = Vec::new();
        for Migration { name, text } in read(directory).await? {
            if self.migrate_one(&name, text, table).await? {
                applied.push(name);
            }
        }
        Ok(applied)
    }

    /// Applies one file, given by its name and its SQL. False when `table` names it already.
    pub async fn migrate_one(&self, name: &str, text: String, table: &str) -> Result<bool, MigrateError> {
        let job = {
            let (shared, table) = (Arc::clone(self.shared()), quoted(table));
            let file = Migration { name: name.to_owned(), text };
            move |writer: &Connection| apply(&shared, writer, &file, &table)
        };
        let applied = self.run_on_writer(true, job).await.map_err(|error| match error {
            WriteError::Job(Failed::Here(error)) => *error,
            WriteError::Job(Failed::Table(source)) => MigrateError::Table { table: table.to_owned(), source },
            WriteError::Database(error) => {
                MigrateError::File { file: name.to_owned(), source: QueryError::from_commit(error) }
            }
        })?;
        Ok(applied.0)
    }
}

enum Failed {
    Here(Box<MigrateError>),
    /// The work around the statements.
    Table(QueryError),
}

impl From<QueryError> for Failed {
    fn from(source: QueryError) -> Self {
        Self::Table(source)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Table(QueryError::from_sqlite(error))
    }
}

/// False when the file had been applied before.
fn apply(
    shared: &Shared,
    writer: &Connection,
    file: &Migration,
    table: &str,
) -> Result<(bool, Committed), Failed> {
    shared.run(writer, Format::Objects, Instant::now() + TIME, |run| {
        // The same text as wrangler's, which is what the schema shows.
        writer.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table}(
\t\tid         INTEGER PRIMARY KEY AUTOINCREMENT,
\t\tname       TEXT UNIQUE,
\t\tapplied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);"
        ))?;
        let known = format!("SELECT 1 FROM {table} WHERE name = ?1");
        if writer.prepare(&known)?.exists([&file.name])? {
            return Ok(false);
        }
        run_file(run, file)?;
        writer.execute(&format!("INSERT INTO {table} (name) VALUES (?1)"), [&file.name])?;
        // That was no request.
        run.known.set(None);
        Ok(true)
    })
}

fn run_file(run: &Run<'_>, file: &Migration) -> Result<(), Failed> {
    for piece in split(&file.text) {
        run.request(&[Statement::new(piece.sql)]).map_err(Stop::on_writer).map_err(|source| {
            Failed::Here(Box::new(MigrateError::Statement {
                file: file.name.clone(),
                line: piece.line,
                sql: excerpt(piece.sql),
                source,
            }))
        })?;
    }
    Ok(())
}

/// The start of a statement, on one line.
pub(crate) fn excerpt(sql: &str) -> String {
    const LENGTH: usize = 80;
    let mut words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(LENGTH) {
        words.truncate(end);
        words.push('…');
    }
    words
}

/// A name as wrangler writes it; quoted when it has to be.
fn quoted(table: &str) -> String {
    let plain = table.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && table.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    if plain { table.to_owned() } else { format!("\"{}\"", table.replace('"', "\"\"")) }
}

/// The `.sql` files of `directory`, by name.
async fn read(directory: &Path) -> Result<Vec<Migration>, MigrateError> {
    let unreadable = |source| MigrateError::Read { path: directory.to_owned(), source };
    let mut entries = tokio::fs::read_dir(directory).await.map_err(unreadable)?;
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(unreadable)? {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let name = entry.file_name();
        let bytes = tokio::fs::read(&path)
            .await
            .map_err(|source| MigrateError::Read { path: path.clone(), source })?;
        match (name.into_string(), String::from_utf8(bytes)) {
            (Ok(name), Ok(text)) => files.push(Migration { name, text }),
            _ => return Err(MigrateError::NotText { path }),
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_quoted_only_when_it_must_be() {
        assert_eq!(quoted("d1_migrations"), "d1_migrations");
        assert_eq!(quoted("my \"table\""), "\"my \"\"table\"\"\"");
        assert_eq!(quoted("1st"), "\"1st\"");
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("SELECT\n  1"), "SELECT 1");
        assert_eq!(excerpt(&"é".repeat(100)).chars().count(), 81);
    }
}
