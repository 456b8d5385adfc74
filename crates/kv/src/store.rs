use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_base::{SharedClock, crash_point, from_path_component, path_component};
use selvedge_sqlite::{Database, Options};
use tokio::task::spawn_blocking;

use crate::schema::{self, SCHEMA};
use crate::{Error, Limits, Namespace, Result};

/// All namespaces under one directory.
///
/// A namespace is a SQLite file, `<namespace>.sqlite`, and a folder for the value files,
/// `<namespace>/blobs/`. Only one process may have a directory open.
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    clock: SharedClock,
    limits: Limits,
    clean_up: bool,
    open: Mutex<HashMap<String, Namespace>>,
    /// Held while a namespace is opened or deleted, which nobody may do to the same one at the same time.
    gate: Arc<tokio::sync::Mutex<()>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the directory, creating it when missing.
    pub fn open(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        Self::new(directory, clock, limits, true)
    }

    /// As [`Store::open`], without the work in the background that takes back space: nothing is taken back unless
    /// [`Namespace::clean_up`] is called. For tools that have a directory open for a moment, and for tests.
    pub fn open_without_clean_up(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        Self::new(directory, clock, limits, false)
    }

    fn new(directory: &Path, clock: SharedClock, limits: Limits, clean_up: bool) -> Result<Self> {
        make_directory(directory)?;
        let directory = directory.to_owned();
        finish_deletions(&directory)
            .map_err(|source| Error::Directory { path: directory.clone(), source })?;
        let (open, gate) = (Mutex::default(), Arc::default());
        Ok(Self { shared: Arc::new(Shared { directory, clock, limits, clean_up, open, gate }) })
    }

    /// The namespace called `id`, made when it is new, opened when it is first asked for and kept open. Any
    /// `id` is a good one. Must be called within a tokio runtime: the namespace's background work runs on it.
    pub async fn namespace(&self, id: &str) -> Result<Namespace> {
        if let Some(open) = self.shared.find(id) {
            return Ok(open);
        }
        let (shared, id) = (Arc::clone(&self.shared), id.to_owned());
        // Goes on when the caller goes away: nobody else may begin before it has ended.
        let opening = tokio::spawn(async move {
            let _gate = shared.gate.lock().await;
            if let Some(open) = shared.find(&id) {
                return Ok(open);
            }
            let namespace = shared.open_namespace(&id).await?;
            shared.lock().insert(id, namespace.clone());
            Ok(namespace)
        });
        opening.await.unwrap_or(Err(selvedge_sqlite::Error::Closed.into()))
    }

    /// The ids of all namespaces, in the order of their bytes.
    pub async fn namespaces(&self) -> Result<Vec<String>> {
        let directory = self.shared.directory.clone();
        let listed = spawn_blocking({
            let directory = directory.clone();
            move || {
                let mut ids = Vec::new();
                for entry in std::fs::read_dir(directory)? {
                    let name = entry?.file_name();
                    let component = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
                    ids.extend(component.and_then(id_of));
                }
                ids.sort_unstable();
                Ok::<_, io::Error>(ids)
            }
        });
        let listed = listed.await.unwrap_or_else(|stopped| Err(stopped.into()));
        listed.map_err(|source| Error::Directory { path: directory, source })
    }

    /// Whether there is a namespace called `id`.
    pub async fn exists(&self, id: &str) -> Result<bool> {
        let path = self.shared.paths(id).database;
        Ok(spawn_blocking(move || path.exists()).await.unwrap_or(false))
    }

    /// Deletes the namespace with everything in it, and answers whether there was one. Its disk space is free when
    /// this returns, but for values that are being read: those readers get to their end. Every other use of a
    /// [`Namespace`] that somebody kept answers [`Error::Deleted`].
    pub async fn delete_namespace(&self, id: &str) -> Result<bool> {
        let (shared, id) = (Arc::clone(&self.shared), id.to_owned());
        // As for opening: a deletion that began ends.
        let deleting = tokio::spawn(async move {
            let _gate = shared.gate.lock().await;
            let open = shared.lock().remove(&id);
            if let Some(namespace) = open {
                namespace.inner.retire().await?;
            }
            let paths = shared.paths(&id);
            let path = paths.database.clone();
            let deleted = spawn_blocking(move || paths.delete());
            let deleted = deleted.await.unwrap_or_else(|stopped| Err(stopped.into()));
            deleted.map_err(|source| Error::Directory { path, source })
        });
        deleting.await.unwrap_or(Err(selvedge_sqlite::Error::Closed.into()))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Namespace>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Option<Namespace> {
        self.lock().get(id).cloned()
    }

    fn paths(&self, id: &str) -> Paths {
        Paths::new(&self.directory, &component_of(id))
    }

    async fn open_namespace(&self, id: &str) -> Result<Namespace> {
        let (database, blobs) = spawn_blocking({
            let (paths, clock) = (self.paths(id), self.clock.clone());
            move || {
                make_directory(&paths.folder)?;
                let path = paths.folder.join("blobs");
                let blobs = selvedge_blob::Store::open(&path, clock)
                    .and_then(|blobs| sync_directory(&paths.folder).map(|()| blobs))
                    .map_err(|source| Error::Directory { path, source })?;
                let options = Options { returns_pages: true, ..Options::new(&SCHEMA) };
                Ok::<_, Error>((Database::open(&paths.database, options)?, blobs))
            }
        })
        .await
        .map_err(|_| selvedge_sqlite::Error::Closed)??;
        sweep(&database, &blobs).await?;
        Ok(Namespace::start(database, blobs, self.clock.clone(), self.limits, self.clean_up))
    }
}

/// A namespace's files are called after its id. Without dots no namespace's folder can have the name of another's
/// database.
fn component_of(id: &str) -> String {
    path_component(id).replace('.', "%2E")
}

/// The id whose files are called so.
fn id_of(component: &str) -> Option<String> {
    let dotted = component.replace("%2E", ".");
    match dotted.strip_prefix('.') {
        Some(rest) => from_path_component(&format!("%2E{rest}")),
        None => from_path_component(&dotted),
    }
}

/// The files of one namespace.
struct Paths {
    database: PathBuf,
    folder: PathBuf,
    /// The database of a namespace that is being deleted: while it is there, the deletion has not ended.
    deleted: PathBuf,
}

const DELETED: &str = "deleted";

impl Paths {
    fn new(directory: &Path, component: &str) -> Self {
        let file = |extension: &str| directory.join(format!("{component}.{extension}"));
        Self { database: file("sqlite"), folder: directory.join(component), deleted: file(DELETED) }
    }

    /// For a database that is closed. The renaming decides: what a crash leaves undone after it is done when the
    /// store is opened again.
    fn delete(&self) -> io::Result<bool> {
        match std::fs::rename(&self.database, &self.deleted) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        }
        if let Some(directory) = self.database.parent() {
            sync_directory(directory)?;
        }
        crash_point("kv-namespace-renamed", &self.database);
        self.remove_rest()?;
        Ok(true)
    }

    fn remove_rest(&self) -> io::Result<()> {
        for log in ["sqlite-wal", "sqlite-shm"] {
            absent_is_fine(std::fs::remove_file(self.database.with_extension(log)))?;
        }
        crash_point("kv-namespace-without-log", &self.database);
        // A put that was under way may still add a file while the others are removed.
        let mut removed = absent_is_fine(std::fs::remove_dir_all(&self.folder));
        for _ in 0..10 {
            if !removed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::DirectoryNotEmpty) {
                break;
            }
            removed = absent_is_fine(std::fs::remove_dir_all(&self.folder));
        }
        removed?;
        crash_point("kv-namespace-without-files", &self.database);
        std::fs::remove_file(&self.deleted)?;
        self.database.parent().map_or(Ok(()), sync_directory)
    }
}

/// Ends the deletions that an earlier run began.
fn finish_deletions(directory: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == DELETED)
            && let Some(component) = path.file_stem().and_then(|name| name.to_str())
        {
            Paths::new(directory, component).remove_rest()?;
        }
    }
    Ok(())
}

fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

/// Removes the value files that no row names: a crash may leave one that was written but not committed, or
/// one that was replaced but not yet removed.
async fn sweep(database: &Database, blobs: &selvedge_blob::Store) -> Result<()> {
    let blobs = blobs.clone();
    let swept = database.read_long(move |connection| {
        blobs.sweep(|id| schema::is_live(connection, id.as_str()).map_err(io::Error::other))
    });
    let removed = swept.await?.map_err(Error::ValueFile)?;
    if removed > 0 {
        tracing::info!(database = %database.path().display(), removed, "removed value files that an interrupted run left");
    }
    database.write(|connection| connection.execute("DELETE FROM garbage", [])).await?;
    Ok(())
}

/// Makes a directory that is still there after a power cut.
fn make_directory(path: &Path) -> Result<()> {
    let made = || {
        if path.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(path)?;
        path.parent().filter(|p| !p.as_os_str().is_empty()).map_or(Ok(()), sync_directory)
    };
    made().map_err(|source| Error::Directory { path: path.to_owned(), source })
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
