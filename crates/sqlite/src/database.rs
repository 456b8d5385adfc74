//! Opening a database and handing out its writer and readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::history::{self, History, HistoryOptions, Recorder};
use crate::readers::{Active, Readers};
use crate::space;
use crate::writer::{WriteError, Writer};
use crate::{Error, Result, Schema, policy};

/// How to open a database.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub schema: &'static Schema,
    /// Connections kept for reading.
    pub readers: usize,
    /// Writes that may wait before [`Database::try_write`] answers [`Error::Overloaded`] and
    /// [`Database::write`] waits.
    pub queue: usize,
    /// Run once on each new connection, before its first use: functions, settings.
    pub prepare: fn(&mut Connection) -> rusqlite::Result<()>,
    /// Puts the policy for SQL that users write on each connection.
    pub policy: Option<policy::Limits>,
    /// Whether free pages can be given back to the file system in small steps, with
    /// [`give_back_pages`](crate::give_back_pages). It costs a little on every write. A file that was made without
    /// is rebuilt when it is opened.
    pub returns_pages: bool,
}

impl Options {
    pub fn new(schema: &'static Schema) -> Self {
        Self { schema, readers: 4, queue: 1024, prepare: |_| Ok(()), policy: None, returns_pages: false }
    }

    pub(crate) fn prepare(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        (self.prepare)(connection)?;
        self.policy.map_or(Ok(()), |limits| policy::install(connection, &limits))
    }
}

/// One SQLite file with its writer thread and its readers. Clones share them; dropping the last clone
/// finishes the writes that were accepted and closes the file.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    history: Option<Arc<History>>,
}

impl Database {
    /// Opens the database at `path`, creating it and its directory when missing, and brings it to the newest
    /// format.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        Self::open_as(path, options, None)
    }

    /// As [`Database::open`], with a history of every commit. What the history lacks after a crash is added
    /// first; one that does not exist yet begins with a copy of the whole database.
    pub fn open_with_history(path: &Path, options: Options, history: HistoryOptions) -> Result<Self> {
        Self::open_as(path, options, Some(history))
    }

    fn open_as(path: &Path, options: Options, history: Option<HistoryOptions>) -> Result<Self> {
        make_directory(path)?;
        let opening = |source| Error::Open { path: path.to_owned(), source };
        let role = Role::Writer { returns_pages: options.returns_pages, recorded: history.is_some() };
        let before = history.map(|history| Ok((history::Before::look(path, &history)?, history)));
        let before = before.transpose().map_err(|source| Error::history(path, source))?;
        let mut connection = connect(path, role).map_err(opening)?;
        let recording = before.map(|(before, history)| before.open(path, history, &connection));
        let recording = recording.transpose().map_err(|source| Error::history(path, source))?;
        let mut recorder = recording.as_ref().map(history::Opening::recorder);
        if let Some(recorder) = &recorder {
            recorder.watch(&mut connection).map_err(opening)?;
        }
        options.schema.apply(&mut connection, path).map_err(|e| match e {
            Error::Sqlite(source) => opening(source),
            other => other,
        })?;
        if options.returns_pages {
            space::prepare(&connection, path);
        }
        options.prepare(&mut connection).map_err(opening)?;
        if let Some(recorder) = &mut recorder {
            recorder.after_commit(0);
        }
        let reader = Role::Reader { recorded: recorder.is_some() };
        let history = match (recording, &mut recorder) {
            (Some(recording), Some(recorder)) => {
                let connections =
                    history::Connections { reader: connector(path, reader), writer: connector(path, role) };
                let history = recording.start(recorder, connections);
                Some(Arc::new(history.map_err(|source| Error::history(path, source))?))
            }
            _ => None,
        };
        let readers = Readers::new(options.readers, {
            let path = path.to_owned();
            move || {
                let mut reader = connect(&path, reader)?;
                options.prepare(&mut reader)?;
                Ok(reader)
            }
        });
        if let Some(recorder) = &mut recorder {
            recorder.mind(Arc::clone(readers.active()));
        }
        let writer = Writer::start(connection, path, options.queue, recorder);
        Ok(Self { inner: Arc::new(Inner { path: path.to_owned(), writer, readers, history }) })
    }

    /// What is known of the past; `None` when the database was opened without.
    pub fn history(&self) -> Option<&Arc<History>> {
        self.inner.history.as_ref()
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Runs `job` on the writer, in a savepoint of its own, and answers after the commit that made it durable.
    /// An `Err` from `job` undoes what it did and nothing else.
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.inner.writer.write(job).await
    }

    /// As [`Database::write`], but answers [`Error::Overloaded`] at once when the queue is full.
    pub async fn try_write<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.inner.writer.try_write(job).await
    }

    /// As [`Database::try_write`], but in a transaction that no other write shares: for a job that can make the
    /// commit itself fail (a deferred constraint) or roll back more than its savepoint (`ON CONFLICT ROLLBACK`).
    pub async fn try_write_alone<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.inner.writer.try_write_alone(job).await
    }

    /// Moves what the log holds into the file, as far as no reader needs it where it is. It happens by itself when
    /// the log has grown; this is for whoever wants the file to be shorter now.
    pub async fn checkpoint(&self) -> Result<()> {
        let done = self.apart(|connection, recorder| match recorder {
            // Not before the history has what is in the log: the next write may begin it anew.
            Some(recorder) => {
                recorder.checkpoint_now(connection);
                Ok(())
            }
            None => connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())),
        });
        Ok(done.await??)
    }

    /// Finishes the writes that were accepted and the reads that have begun, and closes the file, although there
    /// are other clones: whatever they ask for from now on is answered with [`Error::Closed`]. After it, the file
    /// may be moved away and another one put in its place.
    pub async fn close(&self) -> Result<()> {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
        Ok(())
    }

    pub(crate) fn long_reads(&self) -> &Arc<Active> {
        self.inner.readers.active()
    }

    /// Runs `work` on the writer's thread, between transactions.
    pub(crate) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, Option<&mut Recorder>) -> T + Send + 'static,
    ) -> Result<T> {
        self.inner.writer.apart(work).await
    }

    /// Runs a short read (an indexed lookup, a page of a list) on the calling thread. It sees every write that
    /// was answered before.
    pub async fn read<T>(&self, job: impl FnOnce(&Connection) -> T) -> Result<T> {
        self.inner.readers.run_here(job).await
    }

    /// Runs a read that may take long on a thread where it blocks nobody.
    pub async fn read_long<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T> {
        self.inner.readers.run_apart(job).await
    }
}

fn make_directory(path: &Path) -> Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    let failed = |source| Error::Directory { path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(failed)?;
    // SQLite syncs the directory of its files; that this directory has a name is ours to see to.
    for above in directory.ancestors().skip(1).take(2).filter(|d| !d.as_os_str().is_empty()) {
        match std::fs::File::open(above).and_then(|d| d.sync_all()) {
            // Not ours to look into, so it was there before us.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            other => other.map_err(failed)?,
        }
    }
    Ok(())
}

fn connector(path: &Path, role: Role) -> history::Connect {
    let path = path.to_owned();
    Arc::new(move || connect(&path, role))
}

/// What a connection is for. Of a database that is recorded, only the recorder makes checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer { returns_pages: bool, recorded: bool },
    Reader { recorded: bool },
}

/// Bytes that a log may keep after a checkpoint. One large transaction would otherwise hold its space for good.
const JOURNAL: i64 = 16 * 1024 * 1024;

/// The one place that opens a SQLite file.
#[expect(clippy::disallowed_methods, reason = "this is the replacement the ban points to")]
pub(crate) fn connect(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let (Role::Writer { recorded, .. } | Role::Reader { recorded }) = role;
    let connection = if let Role::Writer { returns_pages, .. } = role {
        let connection = Connection::open(path)?;
        if returns_pages {
            // Before anything else: it holds for a file that has no page yet.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection
    } else {
        // Not SQLITE_OPEN_READONLY: a reader of a WAL database must be able to write the shared index.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "query_only", true)?;
        connection
    };
    // A commit is an fsync; on macOS a real one.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    if recorded {
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    } else {
        connection.pragma_update(None, "wal_autocheckpoint", 2000)?;
    }
    connection.pragma_update_and_check(None, "journal_size_limit", JOURNAL, |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}
