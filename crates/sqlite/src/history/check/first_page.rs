//! A database that SQLite does not take for one, because its first page is damaged.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::history::aside;
use crate::history::error::{HistoryError, Result};
use crate::history::format::hash;
use crate::history::load::load;
use crate::history::log::Log;
use crate::history::opening::lock;
use crate::history::options::HistoryOptions;
use crate::history::report::{Problem, ProblemKind};
use crate::history::view::View;

/// Holds the first page of a database that nobody can open against the log; with `repair`, writes the log's over it.
/// `None` when that is not what is wrong.
///
/// Everything that SQLite's own log has not brought into the file yet is in that log, so the newest page is right,
/// whatever was written last.
pub fn mend_first_page(database: &Path, options: &HistoryOptions, repair: bool) -> Result<Option<Problem>> {
    let _lock = lock(&options.directory)?;
    let Some(loaded) = load(&options.directory)? else { return Ok(None) };
    write_first_page(database, &loaded.log, repair)
}

/// As [`mend_first_page`]. Nobody else writes to the database.
pub(super) fn write_first_page(database: &Path, log: &Log, repair: bool) -> Result<Option<Problem>> {
    let wanted = std::iter::once(1).collect();
    let mut view = View::at(log, &log.picture(), log.head().position, Some(&wanted))?;
    let mut good = Vec::new();
    if !view.read(1, &mut good)? {
        return Ok(None);
    }
    let file = File::options().read(true).write(repair).open(database).map_err(HistoryError::at(database))?;
    let mut is = vec![0; good.len()];
    let read = crate::history::wal::read_up_to(&file, &mut is, 0).map_err(HistoryError::at(database))?;
    is.truncate(read);
    if hash(&is) == hash(&good) {
        return Ok(None);
    }
    let problem = Problem::new(ProblemKind::Page, database, "page 1 is not what was written");
    if !repair {
        return Ok(Some(problem));
    }
    aside::keep_bytes(&log.directory, "db.sqlite.page-1", &is)?;
    // As it was: a file that looks changed would be taken for one that somebody else has written.
    let modified =
        file.metadata().and_then(|metadata| metadata.modified()).map_err(HistoryError::at(database))?;
    file.write_all_at(&good, 0).map_err(HistoryError::at(database))?;
    file.sync_all().map_err(HistoryError::at(database))?;
    file.set_modified(modified).map_err(HistoryError::at(database))?;
    let what = format!("{}: the log had it", problem.what);
    Ok(Some(Problem { what, ..problem }.repaired()))
}
