//! Opening a database that has a history: what the history lacks is added before anything else happens.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use selvedge_base::{crash_point, on_one_line};
use xxhash_rust::xxh3::xxh3_128;

use super::aside;
use super::builder::Builder;
use super::copier::{Connect, Copier};
use super::error::{HistoryError, Result};
use super::format::{Kind, RecordHeader, Resume, SegmentHeader};
use super::load::{Loaded, load};
use super::log::{Head, Log, Part, sync_directory};
use super::options::HistoryOptions;
use super::recorder::{Recorder, Shared};
use super::report::{Problem, ProblemKind};
use super::restore::bring_back;
use super::segment::Segment;
use super::stamp::{is_stamped, write_stamp};
use super::upkeep::Upkeep;
use super::wal::{self, Wal};
use super::{History, pages};

/// A history whose copier does not run yet.
pub(crate) struct Opening {
    lock: File,
    log: Arc<Log>,
    copier: Copier,
    shared: Arc<Shared>,
    options: HistoryOptions,
    database: PathBuf,
    problems: Vec<Problem>,
}

/// How the history opens the database for itself.
pub(crate) struct Connections {
    pub(crate) reader: Connect,
    pub(crate) writer: Connect,
}

/// Before SQLite opens the database at `path`: reads the log and adds what SQLite's own has behind its end.
pub(crate) struct Before {
    lock: File,
    found: Option<Loaded>,
    problems: Vec<Problem>,
    /// SQLite's log was started over since the last record, and the history has all that it had.
    restarted: bool,
}

impl Before {
    pub(crate) fn look(path: &Path, options: &HistoryOptions) -> Result<Self> {
        let mut lock = lock(&options.directory)?;
        let mut problems = Vec::new();
        let found = match load(&options.directory) {
            Err(HistoryError::Damaged { path, what }) => {
                let aside = set_aside(options)?;
                lock = self::lock(&options.directory)?;
                tracing::error!(
                    path = %path.display(), what, moved_to = %aside.display(),
                    "a history cannot be read: a new one begins"
                );
                let what = format!("{what}: a new history began, and the old one is {}", aside.display());
                problems.push(Problem::new(ProblemKind::Segment, path, what).repaired());
                None
            }
            other => other?,
        };
        let position = found.as_ref().map(|found| found.log.head().position);
        let restarted = position.is_some_and(|position| is_stamped(path, &options.directory, position));
        Ok(Self { lock, found, problems, restarted })
    }

    /// After SQLite opened it, and before anything is changed.
    pub(crate) fn open(
        mut self,
        path: &Path,
        options: HistoryOptions,
        connection: &Connection,
    ) -> Result<Opening> {
        let HistoryOptions { clock, keep, .. } = &options;
        let wal_path = wal::path_of(path);
        let page_size = pages::page_size(connection)?;
        let found = match self.found {
            Some(found) if found.log.page_size != page_size => {
                let aside = set_aside(&options)?;
                tracing::error!(
                    path = %path.display(), moved_to = %aside.display(),
                    "the database is not the one that its history is of: a new history begins"
                );
                self.lock = lock(&options.directory)?;
                None
            }
            found => found,
        };
        let mut problems = self.problems;
        let (log, copier, lost) = match found {
            None => {
                let log = Arc::new(begin(path, &options, connection)?);
                let copier = Copier::new(Arc::clone(&log), None, &wal_path, *keep, Arc::clone(clock));
                (log, copier, false)
            }
            Some(Loaded { log, growing, cut, problems: found }) => {
                problems.extend(found);
                let log = Arc::new(log);
                if is_behind(&wal_path, log.head().resume).map_err(HistoryError::at(&wal_path))? {
                    problems.extend(bring_back(&log, connection, &wal_path)?);
                }
                let mut copier = Copier::new(Arc::clone(&log), growing, &wal_path, *keep, Arc::clone(clock));
                let caught_up = copier.copy_tail(self.restarted).and_then(|is_whole| {
                    if is_whole {
                        return Ok(());
                    }
                    // Nobody knows how many commits are missing, and they have been given numbers.
                    let position = ((log.head().position >> 32) + 1) << 32;
                    if copier.absorb(connection, position, clock.now().0)? {
                        let what = "it is not what the log's end says: it was changed from outside, or the end of \
                                    the log is damaged. What it is now is one step in the log";
                        problems.push(Problem::new(ProblemKind::Gap, path, what).repaired());
                        if let Some((name, bytes)) = &cut {
                            aside::keep_bytes(&options.directory, name, bytes)?;
                        }
                    }
                    Ok(())
                });
                let lost = match caught_up {
                    Ok(()) => false,
                    Err(error @ HistoryError::File { .. }) => {
                        let error = on_one_line(&error);
                        tracing::error!(log = %options.directory.display(), error, "the history cannot be written");
                        true
                    }
                    Err(error) => return Err(error),
                };
                let reached = log.picture().stretches().last().map(|(_, end)| end.position);
                if !lost && reached != Some(log.head().position) {
                    let part = snapshot_of(&log, connection, log.head())?;
                    log.add_snapshot(part);
                }
                (log, copier, lost)
            }
        };
        let head = log.head().position;
        let shared = Shared::at(if lost { ((head >> 32) + 1) << 32 } else { head });
        shared.queue().lost = lost;
        Ok(Opening {
            lock: self.lock,
            log,
            copier,
            shared: Arc::new(shared),
            options,
            database: path.to_owned(),
            problems,
        })
    }
}

impl Opening {
    /// For the connection that will write. Commits that it makes on this thread are noted by the recorder.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder::new(Arc::clone(&self.shared), &self.options, &self.database, self.log.head().ms)
    }

    /// Starts the copier.
    pub(crate) fn start(self, recorder: &mut Recorder, connections: Connections) -> Result<History> {
        let Self { lock, log, copier, shared, options, database, problems } = self;
        let Connections { reader, writer } = connections;
        let upkeep = Upkeep::new(Arc::clone(&log), options.keep, Arc::clone(&options.clock));
        let thread = std::thread::Builder::new().name("history-copier".to_owned()).spawn({
            let (shared, upkeep) = (Arc::clone(&shared), upkeep.clone());
            move || copier.run(&shared, &upkeep, &reader)
        });
        recorder.copier = Some(thread.map_err(HistoryError::at(&options.directory))?);
        recorder.lock = Some(lock);
        Ok(History { log, shared, upkeep, connect_writer: writer, database, found: Mutex::new(problems) })
    }
}

/// Starts a log with a snapshot of the database as it is.
fn begin(database: &Path, options: &HistoryOptions, connection: &Connection) -> Result<Log> {
    let HistoryOptions { directory, clock, .. } = options;
    let now = clock.now();
    // Above everything that an earlier log of this database has handed out.
    let position = now.secs() << 32;
    let mut random = [0; 16];
    clock.random(&mut random);
    let log = xxh3_128(&random).to_le_bytes();
    let page_size = pages::page_size(connection)?;
    let header = SegmentHeader { kind: Kind::Snapshot, page_size, log, first: position };
    let wal_path = wal::path_of(database);
    let mut wal = Wal::open(&wal_path).map_err(HistoryError::at(&wal_path))?;
    let resume = wal.as_mut().map(Wal::end).transpose().map_err(HistoryError::at(&wal_path))?;
    let head = Head { position, ms: now.0, pages: 0, resume: resume.unwrap_or_default() };
    let (part, head) = write_snapshot(directory, &header, connection, head, || {
        crash_point("history-begun", directory);
        if resume.is_none() {
            write_stamp(database, directory, position);
        }
    })?;
    Ok(Log::begin(directory, &header, part, head))
}

/// A snapshot of the database, which `connection` sees as it was at `head`.
pub(crate) fn snapshot_of(log: &Log, connection: &Connection, head: Head) -> Result<Part> {
    let header = log.header(Kind::Snapshot, head.position);
    Ok(write_snapshot(&log.directory, &header, connection, head, || ())?.0)
}

fn write_snapshot(
    directory: &Path,
    header: &SegmentHeader,
    connection: &Connection,
    head: Head,
    before_name: impl FnOnce(),
) -> Result<(Part, Head)> {
    let path = directory.join(Segment::file_name(Kind::Snapshot, head.position));
    let temporary = path.with_extension("tmp");
    let mut builder = Builder::create(&temporary, header)?;
    builder.begin()?;
    let pages = pages::read_all(connection, |page, bytes| builder.page(page, bytes))?;
    let record = builder.finish(RecordHeader {
        first: head.position,
        last: head.position,
        ms: head.ms,
        pages,
        resume: head.resume,
        ..RecordHeader::default()
    })?;
    let summary = builder.seal()?;
    before_name();
    std::fs::rename(&temporary, &path).map_err(HistoryError::at(&path))?;
    sync_directory(directory)?;
    let segment = Arc::new(Segment::new(path, Kind::Snapshot, head.position));
    Ok((Part { segment, summary }, Head::of(&record)))
}

/// Whether SQLite's log has less than the history brought over from it: a frame is damaged, and SQLite takes no
/// notice of it and of all that come behind it.
fn is_behind(wal_path: &Path, resume: Resume) -> std::io::Result<bool> {
    let Some(mut wal) = Wal::open(wal_path)? else {
        // One that is in use has a header.
        return Ok(std::fs::metadata(wal_path).is_ok_and(|file| file.len() > 0));
    };
    if wal.go_on(resume) != resume || resume.frame == 0 {
        return Ok(false);
    }
    Ok(wal.end()?.frame < resume.frame)
}

/// Keeps a second opener of the same database out, for as long as the file is open.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    let failed = || HistoryError::at(directory);
    if !directory.try_exists().map_err(failed())? {
        std::fs::create_dir_all(directory).map_err(failed())?;
        directory.parent().map_or(Ok(()), sync_directory)?;
    }
    let lock = File::open(directory).map_err(failed())?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(HistoryError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed()(source)),
    }
}

fn set_aside(options: &HistoryOptions) -> Result<PathBuf> {
    let directory = &options.directory;
    let mut name = directory.as_os_str().to_owned();
    name.push(format!("-damaged-{}", options.clock.now().0));
    let aside = PathBuf::from(name);
    std::fs::rename(directory, &aside).map_err(HistoryError::at(directory))?;
    Ok(aside)
}
