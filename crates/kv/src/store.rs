use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use selvedge_base::{SharedClock, path_component};
use selvedge_sqlite::{Database, Options};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::schema::{self, SCHEMA};
use crate::{Error, Limits, Namespace, Result};

/// All namespaces under one directory.
///
/// A namespace is a SQLite file, `<namespace>.sqlite`, and a folder for the value files,
/// `<namespace>/blobs/`. Only one process may have a directory open.
pub struct Store {
    directory: PathBuf,
    clock: SharedClock,
    limits: Limits,
    open: Mutex<HashMap<String, Arc<OnceCell<Namespace>>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the directory, creating it when missing.
    pub fn open(directory: &Path, clock: SharedClock, limits: Limits) -> Result<Self> {
        make_directory(directory)?;
        Ok(Self { directory: directory.to_owned(), clock, limits, open: Mutex::default() })
    }

    /// The namespace called `id`, made when it is new, opened when it is first asked for and kept open. Any
    /// `id` is a good one. Must be called within a tokio runtime: the namespace's background work runs on it.
    pub async fn namespace(&self, id: &str) -> Result<Namespace> {
        let cell = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(id.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.open_namespace(id)).await.cloned()
    }

    async fn open_namespace(&self, id: &str) -> Result<Namespace> {
        // Without dots no namespace's folder can have the name of another's database.
        let name = path_component(id).replace('.', "%2E");
        let (database, blobs) = spawn_blocking({
            let (directory, clock) = (self.directory.clone(), self.clock.clone());
            move || {
                let folder = directory.join(&name);
                make_directory(&folder)?;
                let path = folder.join("blobs");
                let blobs = selvedge_blob::Store::open(&path, clock)
                    .and_then(|blobs| sync_directory(&folder).map(|()| blobs))
                    .map_err(|source| Error::Directory { path, source })?;
                let database =
                    Database::open(&directory.join(format!("{name}.sqlite")), Options::new(&SCHEMA))?;
                Ok::<_, Error>((database, blobs))
            }
        })
        .await
        .map_err(|_| selvedge_sqlite::Error::Closed)??;
        sweep(&database, &blobs).await?;
        Ok(Namespace::start(database, blobs, self.clock.clone(), self.limits))
    }
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
