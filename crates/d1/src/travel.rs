//! Time travel: what a database was, back to that, and from there somewhere else.

use std::path::Path;
use std::sync::Arc;

use selvedge_base::Millis;
use selvedge_sqlite::history::{Extent, Point, Restored as Back};
use selvedge_sqlite::{History, HistoryError};
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::{Database, Error, Store};

/// When or where in a database's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Bookmark(String),
    /// The last commit that is not later.
    Time(Millis),
}

/// One restorable state of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    pub bookmark: String,
    /// When it was committed.
    pub time: Millis,
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut moment = serializer.serialize_struct("Moment", 2)?;
        moment.serialize_field("bookmark", &self.bookmark)?;
        moment.serialize_field("time", &self.time.iso())?;
        moment.end()
    }
}

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the database is like again.
    pub to: Moment,
    /// Restoring this undoes it.
    pub previous_bookmark: String,
    /// Of the restore itself: sessions that hold it see what was restored.
    pub bookmark: String,
}

/// What there is of a database's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The earliest state that can be restored.
    pub oldest: Moment,
    pub newest: Moment,
    /// Of the log on disk.
    pub bytes: u64,
    pub extent: Extent,
}

/// Why there is no way back.
#[derive(Debug, thiserror::Error)]
pub enum TravelError {
    #[error("the database keeps no history: remove `history = false` from its table in selvedge.toml")]
    Off,
    #[error("{0:?} is not a bookmark of this database")]
    NotOurs(String),
    #[error("the database's history does not reach back that far")]
    TooEarly,
    #[error("the history from {} to {} is damaged: give a time or a bookmark that is not between them", after.iso(), before.iso())]
    Lost { after: Millis, before: Millis },
    #[error("there is a D1 database {id:?} already")]
    Exists { id: String },
    #[error("the database's history is damaged: `selvedge d1 check` says what can be done")]
    Damaged(#[source] HistoryError),
    #[error("the database's history failed")]
    History(#[from] HistoryError),
    #[error(transparent)]
    Database(#[from] Error),
}

impl Database {
    /// The bookmark of what was answered last.
    pub fn bookmark(&self) -> Result<String, TravelError> {
        let position = self.history()?.position();
        Ok(self.shared().bookmarks.at(position))
    }

    /// The state that a restore to `target` would bring back. Of a time, the same answer every time, until the
    /// history that old is kept by the minute only.
    pub async fn moment(&self, target: &Target) -> Result<Moment, TravelError> {
        let point = self.point(target).await?;
        Ok(self.to_moment(point))
    }

    pub async fn past(&self) -> Result<Past, TravelError> {
        let history = Arc::clone(self.history()?);
        let extent = blocking(move || history.extent()).await?;
        let (oldest, newest) = (self.to_moment(extent.oldest), self.to_moment(extent.newest));
        Ok(Past { oldest, newest, bytes: extent.bytes, extent })
    }

    /// Makes the database what it was. A commit like any other: readers see it or not, nothing else is lost, and
    /// it can be undone.
    pub async fn restore(&self, target: &Target) -> Result<Restored, TravelError> {
        let point = self.point(target).await?;
        self.forget_schema();
        let Back { to, undo, position } = self.storage().restore(point.position).await.map_err(named)?;
        self.begin().await.map_err(Error::from)?;
        let bookmarks = &self.shared().bookmarks;
        Ok(Restored {
            to: self.to_moment(to),
            previous_bookmark: bookmarks.at(undo),
            bookmark: bookmarks.at(position),
        })
    }

    async fn point(&self, target: &Target) -> Result<Point, TravelError> {
        let history = Arc::clone(self.history()?);
        match target {
            Target::Time(Millis(ms)) => {
                let ms = *ms;
                blocking(move || history.at_time(ms)).await
            }
            Target::Bookmark(bookmark) => {
                let position = self.shared().bookmarks.position(bookmark);
                let position = position.ok_or_else(|| TravelError::NotOurs(bookmark.clone()))?;
                blocking(move || history.at_or_before(position)).await
            }
        }
    }

    fn history(&self) -> Result<&Arc<History>, TravelError> {
        self.storage().history().ok_or(TravelError::Off)
    }

    fn to_moment(&self, Point { position, ms }: Point) -> Moment {
        Moment { bookmark: self.shared().bookmarks.at(position), time: Millis(ms) }
    }

    async fn copy_to(&self, target: &Target, path: &Path) -> Result<Moment, TravelError> {
        let point = self.point(target).await?;
        let (history, path) = (Arc::clone(self.history()?), path.to_owned());
        let point = blocking(move || history.copy_to(point.position, &path)).await?;
        Ok(self.to_moment(point))
    }
}

impl Store {
    /// Makes a new database `new` of what the database `id` was. It has a history of its own.
    pub async fn fork(&self, id: &str, target: &Target, new: &str) -> Result<Moment, TravelError> {
        let database = self.database(id).await?;
        let path = self.file(new);
        database.copy_to(target, &path).await.map_err(|error| match error {
            TravelError::History(HistoryError::Exists { .. }) => TravelError::Exists { id: new.to_owned() },
            error => error,
        })
    }
}

async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, TravelError> {
    let asked = tokio::task::spawn_blocking(ask).await.map_err(|_| HistoryError::Closed)?;
    asked.map_err(named)
}

fn named(error: HistoryError) -> TravelError {
    match error {
        HistoryError::TooEarly => TravelError::TooEarly,
        HistoryError::Off => TravelError::Off,
        HistoryError::Lost { after, before } => {
            TravelError::Lost { after: Millis(after.ms), before: Millis(before.ms) }
        }
        error @ HistoryError::Damaged { .. } => TravelError::Damaged(error),
        error => TravelError::History(error),
    }
}
