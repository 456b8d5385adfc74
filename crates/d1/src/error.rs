use std::fmt::Write as _;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the D1 database cannot be opened")]
    Open(#[from] selvedge_sqlite::Error),
    #[error("there is a D1 database {id:?} already")]
    Exists { id: String },
    #[error("the D1 database cannot be opened: the task that opened it was stopped")]
    Stopped,
    #[error("the D1 database was opened without a history, which replicas follow: restart the node")]
    NoHistoryYet,
    #[error("the D1 database's replicas cannot be started")]
    Replicas(#[source] Box<crate::TravelError>),
}

/// Why a request failed. Nothing of it is in the database. `Display` gives Cloudflare's text, to the letter:
/// programs match on it.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// SQLite's message and the name of its code.
    #[error("{0}")]
    Sql(String),
    #[error("No SQL statements detected.")]
    NoStatements,
    #[error("Wrong number of parameter bindings for SQL query.")]
    Bindings,
    #[error(
        "When executing multiple SQL statements in a single call, only the last statement can have parameters."
    )]
    BindingsNotLast,
    /// workerd's text, for `BEGIN`, `COMMIT`, `SAVEPOINT` and the like. In D1 the remedy is `batch()`.
    #[error(
        "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript API is safer because it will automatically roll back on exceptions, and because it interacts correctly with Durable Objects' automatic atomic write coalescing."
    )]
    Transaction,
    #[error("D1 DB is overloaded. Too many requests queued.")]
    Overloaded,
    #[error("D1 DB is overloaded. Requests queued for too long.")]
    QueuedTooLong,
    #[error("D1 DB storage operation exceeded timeout which caused object to be reset.")]
    Timeout,
    /// Ours: Cloudflare has no interactive transactions.
    #[error("Interactive transactions are off for this database.")]
    NoTransactions,
    /// Ours.
    #[error("The transaction is over: it was rolled back.")]
    TransactionOver,
    /// Ours.
    #[error("The transaction took longer than it may and was rolled back.")]
    TransactionTimeout,
    /// Ours.
    #[error(
        "There is no such transaction: it was committed or rolled back, or it took longer than it may and was rolled back."
    )]
    NoSuchTransaction,
    /// Ours.
    #[error("Too many transactions are open.")]
    TooManyTransactions,
    #[error("D1 DB's isolate exceeded its memory limit and was reset.")]
    AnswerTooLarge,
    #[error("Exceeded maximum DB size.")]
    DatabaseTooLarge,
    /// The disk, most likely. The source says what, for the log; a user's program is only told to try again.
    #[error("Internal error in D1 DB storage caused object to be reset.")]
    Storage(#[from] selvedge_sqlite::Error),
}

/// Why migrations stopped. Those before the one named are applied and stay so; that one is not, in no part.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("cannot read the migrations in {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not UTF-8 text", path.display())]
    NotText { path: PathBuf },
    #[error("{file}, line {line}: {sql}")]
    Statement { file: String, line: usize, sql: String, source: QueryError },
    #[error("{file} cannot be applied")]
    File { file: String, source: QueryError },
    #[error("the migrations table {table} cannot be used")]
    Table { table: String, source: QueryError },
}

impl QueryError {
    /// What it is called when a request ran and its transaction could not be committed, or not be started.
    pub(crate) fn from_commit(error: selvedge_sqlite::Error) -> Self {
        match error {
            selvedge_sqlite::Error::Overloaded => Self::Overloaded,
            selvedge_sqlite::Error::Sqlite(error)
                if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) =>
            {
                // A deferred foreign key. workerd's text.
                Self::Sql(format!(
                    "Durable Object was reset and rolled back to its last known good state because the application left the database in a state where constraints were violated: {}",
                    Self::from_sqlite(error)
                ))
            }
            error => Self::Storage(error),
        }
    }

    /// It is about the file that was read, not about what was asked of it.
    pub(crate) fn is_of_the_copy(&self) -> bool {
        match self {
            Self::Storage(_) => true,
            // A virtual table of the user's may be what is malformed.
            Self::Sql(text) => {
                let is_damage = ["SQLITE_CORRUPT", "SQLITE_NOTADB"].iter().any(|code| text.contains(code));
                is_damage && !text.contains("SQLITE_CORRUPT_VTAB")
            }
            _ => false,
        }
    }

    /// What a statement's failure is called.
    pub(crate) fn from_sqlite(error: rusqlite::Error) -> Self {
        Self::at(error, 0)
    }

    /// As [`QueryError::from_sqlite`], for a statement with `lead` bytes before it that count.
    pub(crate) fn at(error: rusqlite::Error, lead: usize) -> Self {
        let (code, message, offset) = match error {
            rusqlite::Error::SqliteFailure(code, message) => (code, message, None),
            rusqlite::Error::SqlInputError { error, msg, offset, .. } => (error, Some(msg), Some(offset)),
            // The statement has been checked to be one statement, and its values come as they are.
            other => return Self::Sql(format!("{other}: SQLITE_ERROR")),
        };
        match code.code {
            ErrorCode::OperationInterrupted => return Self::Timeout,
            ErrorCode::DiskFull => return Self::DatabaseTooLarge,
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen => {
                let failed = rusqlite::Error::SqliteFailure(code, message);
                return Self::Storage(selvedge_sqlite::Error::Sqlite(failed));
            }
            _ => {}
        }
        let mut text = message.unwrap_or_else(|| "unknown error".to_owned());
        if let Some(offset) = offset {
            let _ = write!(text, " at offset {}", usize::try_from(offset).unwrap_or(0) + lead);
        }
        text.push_str(": ");
        text.push_str(primary_name(code.extended_code));
        if let Some(extended) = extended_name(code.extended_code) {
            let _ = write!(text, " (extended: {extended})");
        }
        Self::Sql(text)
    }
}

fn primary_name(code: i32) -> &'static str {
    match code & 0xff {
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_NOTFOUND => "SQLITE_NOTFOUND",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}

/// workerd adds the extended code when there is one.
fn extended_name(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_COMMITHOOK => "SQLITE_CONSTRAINT_COMMITHOOK",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_FUNCTION => "SQLITE_CONSTRAINT_FUNCTION",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_VTAB => "SQLITE_CONSTRAINT_VTAB",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_CORRUPT_VTAB => "SQLITE_CORRUPT_VTAB",
        ffi::SQLITE_CORRUPT_SEQUENCE => "SQLITE_CORRUPT_SEQUENCE",
        ffi::SQLITE_CORRUPT_INDEX => "SQLITE_CORRUPT_INDEX",
        ffi::SQLITE_ABORT_ROLLBACK => "SQLITE_ABORT_ROLLBACK",
        ffi::SQLITE_ERROR_MISSING_COLLSEQ => "SQLITE_ERROR_MISSING_COLLSEQ",
        _ => return None,
    })
}
