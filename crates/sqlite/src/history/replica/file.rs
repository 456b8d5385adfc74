//! The file of a copy: the pages of the database, and in bytes of page 1 that SQLite does not use, which commit
//! they are of.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use selvedge_base::crash_point;

use super::super::error::{HistoryError, Result};
use super::super::follow::{Change, Mark};
use super::super::format::u64_at;
use super::super::log::sync_directory;
use super::super::pages::{self, Overwrite, Stamp, lock_page, put_stamp, read_one, stamp_of};
use crate::database::{Role, connect};

const MAGIC: [u8; 4] = *b"SvRp";

pub(super) struct CopyFile {
    path: PathBuf,
    connection: Connection,
    page_size: u32,
    mark: Mark,
}

impl CopyFile {
    /// The copy at `path`; `None` when there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().map_err(HistoryError::at(path))? {
            return Ok(None);
        }
        let connection = connect(path, Role::Writer { returns_pages: false, recorded: false })?;
        // What a power cut takes comes from the log again; a file that is half of what it was would not.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let page_size = pages::page_size(&connection)?;
        let mark = stamp_of(&read_one(&connection, 1)?).and_then(decode);
        Ok(mark.map(|mark| Self { path: path.to_owned(), connection, page_size, mark }))
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Applies `changes`, which follow each other and the file, in one transaction. `before_commit` is told of the
    /// position that can be read from then on.
    pub(super) fn apply(&mut self, changes: &mut [Change], before_commit: impl FnOnce(u64)) -> Result<()> {
        let Some((mark, pages)) = changes.last().map(|last| (last.mark, last.pages)) else { return Ok(()) };
        let mut expected = self.mark.position;
        let mut overwrite = Overwrite::begin(&self.connection)?;
        for change in changes {
            if change.after > expected || change.mark.position <= expected {
                return Err(HistoryError::damaged(
                    &self.path,
                    format!("a change from {:x} does not fit {expected:x}", change.after),
                ));
            }
            if change.page_size() != self.page_size {
                return Err(HistoryError::damaged(&self.path, "a change has pages of another size"));
            }
            expected = change.mark.position;
            change.read(|page, bytes| overwrite.page(page, bytes))?;
        }
        overwrite.stamp(encode(mark));
        crash_point("replica-pages", &self.path);
        before_commit(mark.position);
        // The cookies of the primary only rise, so the copy's do.
        overwrite.commit(pages, |_, primary| primary)?;
        self.mark = mark;
        crash_point("replica-applied", &self.path);
        Ok(())
    }

    /// Puts the whole database in the place of what is at `path`. Nobody may have that open.
    pub(super) fn replace(path: &Path, mut whole: Change) -> Result<Self> {
        let new = beside(path, ".new");
        write(&new, &mut whole)?;
        crash_point("replica-copied", path);
        remove_database(path)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        sync_directory(directory)?;
        crash_point("replica-removed", path);
        std::fs::rename(&new, path).map_err(HistoryError::at(path))?;
        sync_directory(directory)?;
        crash_point("replica-replaced", path);
        Self::open(path)?.ok_or_else(|| HistoryError::damaged(path, "a new copy is not one"))
    }
}

pub(super) fn remove(path: &Path) -> Result<()> {
    remove_database(path)?;
    remove_file(&beside(path, ".new"))
}

/// The file first: one without its log is a database of some other moment, or of none.
fn remove_database(path: &Path) -> Result<()> {
    [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")].iter().try_for_each(|old| remove_file(old))
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(HistoryError::at(path)(error)),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn write(path: &Path, whole: &mut Change) -> Result<()> {
    let file = File::create(path).map_err(HistoryError::at(path))?;
    let (size, mark) = (u64::from(whole.page_size()), whole.mark);
    let lock = lock_page(whole.page_size());
    file.set_len(u64::from(whole.pages) * size).map_err(HistoryError::at(path))?;
    whole.read(|page, bytes| {
        let at = u64::from(page.saturating_sub(1)) * size;
        if page == 1 {
            let mut first = bytes.to_owned();
            put_stamp(&mut first, &encode(mark));
            file.write_all_at(&first, at).map_err(HistoryError::at(path))
        } else if page == lock {
            Ok(())
        } else {
            file.write_all_at(bytes, at).map_err(HistoryError::at(path))
        }
    })?;
    file.sync_all().map_err(HistoryError::at(path))
}

fn encode(mark: Mark) -> Stamp {
    let mut stamp = Stamp::default();
    stamp[..4].copy_from_slice(&MAGIC);
    stamp[4..12].copy_from_slice(&mark.position.to_le_bytes());
    stamp[12..].copy_from_slice(&mark.sum.to_le_bytes());
    stamp
}

fn decode(stamp: Stamp) -> Option<Mark> {
    let mark = Mark { position: u64_at(&stamp, 4), sum: u64_at(&stamp, 12) };
    (stamp[..4] == MAGIC).then_some(mark)
}
