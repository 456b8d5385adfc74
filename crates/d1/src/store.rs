use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use selvedge_base::{Millis, SharedClock, path_component};
use tokio::sync::Mutex;

use crate::{Database, Error, Limits, Result, Settings, Transactions};

/// A directory of databases: `<id>/db.sqlite` for each. One process opens it at a time.
#[derive(Clone)]
pub struct Store {
    directory: Arc<Path>,
    clock: SharedClock,
    limits: Limits,
    /// For databases that have limits of their own.
    own_limits: Arc<std::sync::Mutex<HashMap<String, Limits>>>,
    /// For databases that are not kept as usual.
    own_settings: Arc<std::sync::Mutex<HashMap<String, Settings>>>,
    databases: Arc<Mutex<HashMap<String, Database>>>,
    transactions: Transactions,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `directory`, creating it when missing.
    pub fn open(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|source| {
            Error::Open(selvedge_sqlite::Error::Directory { path: directory.to_owned(), source })
        })?;
        Ok(Self {
            directory: directory.into(),
            clock,
            limits,
            own_limits: Arc::default(),
            own_settings: Arc::default(),
            databases: Arc::default(),
            transactions: Transactions::default(),
        })
    }

    /// Those that clients hold open.
    pub fn transactions(&self) -> &Transactions {
        &self.transactions
    }

    /// When the database of that id was made.
    pub fn created(&self, id: &str) -> Option<Millis> {
        let made = std::fs::metadata(self.home(id)).ok()?.created().ok()?;
        let since = made.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(Millis)
    }

    pub(crate) fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// The file of the database of that id; all else that it has is in the same directory.
    pub(crate) fn file(&self, id: &str) -> PathBuf {
        self.home(id).join("db.sqlite")
    }

    fn home(&self, id: &str) -> PathBuf {
        self.directory.join(path_component(id))
    }

    /// Makes the SQLite database at `file` the database of that id, which must not be there yet. The file stays
    /// as it is; what Cloudflare's runtimes keep in it for themselves (`_cf_…`) is left out.
    pub async fn adopt(&self, id: &str, file: &Path) -> Result<Database> {
        {
            let databases = self.databases.lock().await;
            let (directory, path) = (self.home(id), self.file(id));
            if databases.contains_key(id) || path.exists() {
                return Err(Error::Exists { id: id.to_owned() });
            }
            let (file, new) = (file.to_owned(), directory.join("adopted.sqlite"));
            let adopting = tokio::task::spawn_blocking(move || {
                std::fs::create_dir_all(&directory).map_err(|source| selvedge_sqlite::Error::Directory {
                    path: directory.clone(),
                    source,
                })?;
                Database::adopt(&file, &new)?;
                std::fs::rename(&new, &path)
                    .map_err(|source| selvedge_sqlite::Error::Directory { path, source })
            });
            adopting.await.map_err(|_| Error::Stopped)??;
        }
        self.database(id).await
    }

    /// Gives the database of that id limits of its own, from when it is next opened.
    pub fn limit(&self, id: &str, limits: Limits) {
        self.own_limits.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), limits);
    }

    /// Keeps the database of that id as `settings` say, from when it is next opened; the replicas at once.
    pub async fn configure(&self, id: &str, settings: Settings) -> Result<()> {
        let open = {
            let databases = self.databases.lock().await;
            self.own_settings.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), settings);
            databases.get(id).cloned()
        };
        match open {
            Some(open) if settings.replication.replicas > 0 && open.storage().history().is_none() => {
                Err(Error::NoHistoryYet)
            }
            Some(open) => start_replicas(open, settings).await,
            None => Ok(()),
        }
    }

    fn limits_of(&self, id: &str) -> Limits {
        let own = self.own_limits.lock().unwrap_or_else(PoisonError::into_inner);
        own.get(id).copied().unwrap_or(self.limits)
    }

    /// Removes the database of that id and everything it has. Clones that are still held go on working on what
    /// is no longer there, so nobody may hold one.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let mut databases = self.databases.lock().await;
        if let Some(database) = databases.remove(id) {
            let ending = tokio::task::spawn_blocking(move || database.end_replicas());
            ending.await.map_err(|_| Error::Stopped)?;
        }
        let path = self.home(id);
        match tokio::fs::remove_dir_all(&path).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(selvedge_sqlite::Error::Directory { path, source }.into())
            }
            _ => Ok(()),
        }
    }

    /// The database of that id, created when it is not there yet. Asking again gives the same one.
    pub async fn database(&self, id: &str) -> Result<Database> {
        let own = self.own_settings.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        self.database_with(id, own.unwrap_or_default()).await
    }

    /// As [`Store::database`], kept as `settings` say. One that is open already stays as it is.
    pub async fn database_with(&self, id: &str, settings: Settings) -> Result<Database> {
        let mut databases = self.databases.lock().await;
        if let Some(open) = databases.get(id) {
            return Ok(open.clone());
        }
        let path = self.file(id);
        let (clock, limits) = (Arc::clone(&self.clock), self.limits_of(id));
        let opening = tokio::task::spawn_blocking(move || Database::open(&path, &clock, limits, &settings));
        let database = opening.await.map_err(|_| Error::Stopped)??;
        database.begin().await?;
        start_replicas(database.clone(), settings).await?;
        databases.insert(id.to_owned(), database.clone());
        Ok(database)
    }
}

async fn start_replicas(database: Database, settings: Settings) -> Result<()> {
    let starting = tokio::task::spawn_blocking(move || database.replicate(settings.replication));
    starting.await.map_err(|_| Error::Stopped)?.map_err(|error| Error::Replicas(Box::new(error)))
}
