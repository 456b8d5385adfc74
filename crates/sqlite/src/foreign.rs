//! SQLite files that are not ours: reading them, and making one ours.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::{Error, Result, Schema};

/// Pages that are copied at a time.
const STEP: i32 = 1000;

/// Opens somebody else's database for reading. Its owner may be using it.
pub fn open_foreign(path: &Path) -> Result<Connection> {
    let opening = |source| Error::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(opening)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(opening)?;
    Ok(connection)
}

/// Copies somebody else's database, page by page and as of one moment, to a new file.
pub fn copy_foreign(from: &Path, to: &Path) -> Result<()> {
    copy(from, to).map(drop)
}

/// As [`copy_foreign`], to a database of `schema` in its newest format. What `tidy` does to the copy is part of
/// it. Nothing is at `to` when it fails.
pub fn adopt(
    from: &Path,
    to: &Path,
    schema: &Schema,
    tidy: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<()> {
    let adopted = copy(from, to).and_then(|copy| {
        tidy(&copy)?;
        copy.pragma_update(None, "application_id", schema.application_id)?;
        copy.pragma_update(None, "user_version", i32::try_from(schema.steps.len()).unwrap_or(i32::MAX))?;
        Ok(())
    });
    if adopted.is_err() {
        for suffix in ["", "-journal"] {
            let mut path = to.as_os_str().to_owned();
            path.push(suffix);
            // It may not have come so far.
            let _ = std::fs::remove_file(path);
        }
    }
    adopted
}

#[expect(clippy::disallowed_methods, reason = "this crate is where databases are opened")]
fn copy(from: &Path, to: &Path) -> Result<Connection> {
    let source = open_foreign(from)?;
    let reading = |error| Error::Open { path: from.to_owned(), source: error };
    source.query_row("PRAGMA schema_version", [], |_| Ok(())).map_err(reading)?;
    let mut copy = Connection::open(to).map_err(|source| Error::Open { path: to.to_owned(), source })?;
    Backup::new(&source, &mut copy)?.run_to_completion(STEP, Duration::ZERO, None)?;
    copy.pragma_update(None, "synchronous", "FULL")?;
    copy.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCHEMA: Schema = Schema { kind: "test", application_id: 7, steps: &[""] };

    #[test]
    #[expect(clippy::disallowed_methods, reason = "plays the owner of the file")]
    fn a_copy_has_what_is_only_in_the_log_and_leaves_the_original_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let owner = Connection::open(&from).unwrap();
        owner.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)").unwrap();
        adopt(&from, &to, &SCHEMA, |copy| copy.execute_batch("INSERT INTO t VALUES (2)")).unwrap();
        let copy = Connection::open(&to).unwrap();
        let sum = |c: &Connection| c.query_row("SELECT sum(n) FROM t", [], |r| r.get::<_, i64>(0)).unwrap();
        assert_eq!((sum(&owner), sum(&copy)), (1, 3));
        assert_eq!(copy.query_row("PRAGMA application_id", [], |r| r.get::<_, i32>(0)).unwrap(), 7);
    }

    #[test]
    fn what_is_no_database_is_named_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::write(&from, "not a database, by far not").unwrap();
        let refused = adopt(&from, &to, &SCHEMA, |_| Ok(()));
        assert!(matches!(refused, Err(Error::Open { path, .. }) if path == from));
        assert!(!to.exists());
    }
}
