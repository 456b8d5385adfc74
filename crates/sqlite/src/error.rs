use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a database could not be opened, or why work on it did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: rusqlite::Error },
    #[error("cannot make {} its owner's alone", path.display())]
    Private { path: PathBuf, source: std::io::Error },
    #[error("cannot create the directory {}", path.display())]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(
        "{} was written by a newer Selvedge (format {found}; this one reads up to {known}): start the newer one, or restore a backup",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: i32, known: i32 },
    #[error("{} is a SQLite database, but not a Selvedge {kind} file: move it away", path.display())]
    NotOurs { path: PathBuf, kind: &'static str },
    #[error("the history of {} failed", path.display())]
    History { path: PathBuf, source: Box<crate::HistoryError> },
    #[error("the database is closed")]
    Closed,
    #[error("too many requests are waiting for the database")]
    Overloaded,
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
}

impl Error {
    pub(crate) fn history(path: &Path, source: crate::HistoryError) -> Self {
        Self::History { path: path.to_owned(), source: Box::new(source) }
    }

    /// True when the disk under the database is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Sqlite(e) | Self::Open { source: e, .. }
            if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
