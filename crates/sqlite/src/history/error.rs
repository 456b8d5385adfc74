use std::io;
use std::path::{Path, PathBuf};

use selvedge_base::Millis;

use super::view::Point;

pub(crate) type Result<T, E = HistoryError> = std::result::Result<T, E>;

/// Why a database's history could not be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{} was written by a newer Selvedge (format {found}; this one reads up to {known}): start the newer one, or move the directory away and lose the history in it",
        path.display()
    )]
    NewerFormat { path: PathBuf, found: u16, known: u16 },
    #[error("the history begins later than that")]
    TooEarly,
    #[error(
        "the history from {} to {} is damaged: ask for what was before or after, or run `selvedge d1 check --repair`",
        Millis(after.ms).iso(), Millis(before.ms).iso()
    )]
    Lost { after: Point, before: Point },
    #[error("{} is in use: a database is opened once", path.display())]
    InUse { path: PathBuf },
    #[error("the database keeps no history")]
    Off,
    #[error("the database is closed")]
    Closed,
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("the history cannot be written: {0}")]
    Behind(String),
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
}

impl HistoryError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
