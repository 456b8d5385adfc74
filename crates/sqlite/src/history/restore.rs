//! Going back: in place, as one more commit, or into a file of its own.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::Connection;
use selvedge_base::crash_point;

use super::aside;
use super::error::{HistoryError, Result};
use super::format::{RESTORE, hash};
use super::log::{Log, sync_directory};
use super::pages::{Overwrite, lock_page, read_one};
use super::recorder::Recorder;
use super::report::{Problem, ProblemKind};
use super::view::{Point, View};
use super::{Connect, History};

/// What a restore did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the database is like again.
    pub to: Point,
    /// Restoring this undoes it.
    pub undo: u64,
    /// Of the restore itself.
    pub position: u64,
}

impl Recorder {
    /// Makes the database what it was at `position`, in one commit that goes the way of all others: readers see
    /// it or not, a crash leaves all of it or nothing, and the history goes on. Between transactions of `writer`.
    pub(crate) fn restore(
        &mut self,
        writer: &Connection,
        log: &Log,
        connect: &Connect,
        position: u64,
    ) -> Result<Restored> {
        let undo = self.position();
        self.shared().wait_copied(undo)?;
        let picture = log.picture();
        let to = picture.at_or_before(position)?;
        let changed = View::changed_since(&picture, to.position, undo)?;
        if changed.is_empty() {
            return Ok(Restored { to, undo, position: undo });
        }
        let mut view = View::at(log, &picture, to.position, Some(&changed))?;
        // With caches of its own, which know nothing yet; the writer's are told by SQLite that they are old.
        let mut connection = connect()?;
        self.watch(&mut connection)?;
        let mut overwrite = Overwrite::begin(&connection)?;
        let mut bytes = Vec::new();
        for page in changed.range(..=view.pages) {
            if view.read(*page, &mut bytes)? {
                overwrite.page(*page, &bytes)?;
            }
        }
        crash_point("history-restore-pages", &log.directory);
        self.before_commit();
        // Not the cookie of that time: it may stand for another schema in somebody's cache by now.
        let committed = overwrite.commit(view.pages, |was, _| was.wrapping_add(1));
        self.after_commit(RESTORE);
        committed?;
        crash_point("history-restored", &log.directory);
        // SQLite looks whether the schema is new when it runs a statement, not always when it prepares one.
        writer.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(Restored { to, undo, position: self.position() })
    }
}

/// Brings a database, of whose own log a part is damaged, to what the history has of it. Nobody else uses it.
pub(crate) fn bring_back(log: &Log, connection: &Connection, wal: &Path) -> Result<Option<Problem>> {
    let what = "commits in SQLite's own log are damaged";
    let picture = log.picture();
    let mut view = View::at(log, &picture, log.head().position, None)?;
    let mut differ = Vec::new();
    for (&page, (_, place)) in &view.places {
        if page <= view.pages && !read_one(connection, page).is_ok_and(|is| hash(&is) == place.hash) {
            differ.push(page);
        }
    }
    if differ.is_empty() {
        return Ok(None);
    }
    // It is written over.
    aside::copy(&log.directory, wal)?;
    let mut overwrite = Overwrite::begin(connection)?;
    let mut bytes = Vec::new();
    for page in differ {
        view.read(page, &mut bytes)?;
        overwrite.page(page, &bytes)?;
    }
    overwrite.commit(view.pages, |_, brought| brought)?;
    tracing::error!(path = %wal.display(), "{what}: the history had them");
    Ok(Some(Problem::new(ProblemKind::Database, wal, format!("{what}: the history had them")).repaired()))
}

impl History {
    /// Writes the database as it was at the last restorable moment that is not behind `position` to a new file.
    pub fn copy_to(&self, position: u64, path: &Path) -> Result<Point> {
        self.catch_up()?;
        let picture = self.log.picture();
        let point = picture.at_or_before(position)?;
        let mut view = View::at(&self.log, &picture, point.position, None)?;
        if path.try_exists().map_err(HistoryError::at(path))? {
            return Err(HistoryError::Exists { path: path.to_owned() });
        }
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(HistoryError::at(directory))?;
        let temporary = path.with_extension("tmp");
        let written = write(&mut view, &temporary).and_then(|()| {
            crash_point("history-copied", path);
            // Unlike a rename, this leaves alone what somebody else has put there since.
            std::fs::hard_link(&temporary, path).map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => HistoryError::Exists { path: path.to_owned() },
                _ => HistoryError::File { path: path.to_owned(), source },
            })
        });
        let removed = std::fs::remove_file(&temporary).map_err(HistoryError::at(&temporary));
        written.and(removed)?;
        sync_directory(directory)?;
        if let Some(above) = directory.parent() {
            sync_directory(above)?;
        }
        Ok(point)
    }
}

fn write(view: &mut View, path: &Path) -> Result<()> {
    let failed = || HistoryError::at(path);
    let file = File::create(path).map_err(failed())?;
    let size = u64::from(view.page_size);
    file.set_len(u64::from(view.pages) * size).map_err(failed())?;
    let mut bytes = Vec::new();
    let lock = lock_page(view.page_size);
    for page in (1..=view.pages).filter(|&page| page != lock) {
        if view.read(page, &mut bytes)? {
            file.write_all_at(&bytes, u64::from(page - 1) * size).map_err(failed())?;
        }
    }
    file.sync_all().map_err(failed())
}
