//! Large SQL files, run as one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_sqlite::WriteError;

use crate::run::Stop;
use crate::split::{Piece, split};
use crate::{Database, Format, MigrateError, QueryError, Statement};

/// For a whole import. Nobody waits for the answer with a Worker in hand, so it is longer than for a request.
const TIME: Duration = Duration::from_hours(1);

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub queries: u64,
    pub rows_read: u64,
    pub rows_written: u64,
    /// Rows changed.
    pub changes: u64,
}

impl Database {
    /// Runs every statement of `script` in one transaction: all, or, when one fails, none. Other writers wait
    /// meanwhile. `name` is for messages: what the script is called.
    ///
    /// The transaction statements that SQLite's own `.dump` writes around a database are passed over, as the
    /// import is a transaction anyway.
    pub async fn import(&self, name: &str, script: String) -> Result<Imported, MigrateError> {
        let (shared, name) = (Arc::clone(self.shared()), name.to_owned());
        let file = name.clone();
        let job = move |writer: &Connection| {
            shared.run(writer, Format::RowsAndColumns, Instant::now() + TIME, |run| {
                let mut done = Imported::default();
                for piece in split(&script).into_iter().filter(|piece| !is_transaction(piece)) {
                    let ran = run.request(&[Statement::new(piece.sql)]).map_err(Stop::on_writer);
                    let outcomes = ran.map_err(|source| Failed::statement(&file, &piece, source))?;
                    for outcome in outcomes {
                        done.queries += 1;
                        done.rows_read += outcome.meta.rows_read;
                        done.rows_written += outcome.meta.rows_written;
                        done.changes += outcome.meta.changes;
                    }
                }
                Ok(done)
            })
        };
        let imported = self.run_on_writer(true, job).await.map_err(|error| match error {
            WriteError::Job(Failed(error)) => *error,
            WriteError::Database(error) => {
                MigrateError::File { file: name, source: QueryError::from_commit(error) }
            }
        })?;
        Ok(imported.0)
    }
}

struct Failed(Box<MigrateError>);

impl Failed {
    fn statement(file: &str, piece: &Piece<'_>, source: QueryError) -> Self {
        Self(Box::new(MigrateError::Statement {
            file: file.to_owned(),
            line: piece.line,
            sql: crate::migrate::excerpt(piece.sql),
            source,
        }))
    }
}

impl From<QueryError> for Failed {
    fn from(source: QueryError) -> Self {
        Self(Box::new(MigrateError::File { file: "the import".to_owned(), source }))
    }
}

/// `BEGIN`, `COMMIT` and `END` as `.dump` writes them.
fn is_transaction(piece: &Piece<'_>) -> bool {
    let sql = piece.sql.trim_end_matches([';', ' ', '\n', '\r']);
    ["BEGIN TRANSACTION", "BEGIN", "COMMIT", "COMMIT TRANSACTION", "END", "END TRANSACTION"]
        .iter()
        .any(|known| sql.eq_ignore_ascii_case(known))
}
