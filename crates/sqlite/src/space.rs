//! Free pages go back to the file system a few at a time.

use std::path::Path;

use rusqlite::Connection;

/// `PRAGMA auto_vacuum` of a file whose free pages can be given back when asked.
const INCREMENTAL: i64 = 2;

/// Free pages that are kept for what is written next, as a share of all pages.
const KEPT: i64 = 8;
/// A file of up to this many pages is not worth the work: one mebibyte.
const SMALL: i64 = 256;

/// Rebuilds a file that cannot give pages back so that it can. When that is not possible, for lack of room most
/// likely, the file stays as it is and keeps its free pages for its own use.
pub(crate) fn prepare(connection: &Connection, path: &Path) {
    let rebuild = || {
        let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
        if mode == INCREMENTAL {
            return Ok(());
        }
        tracing::info!(database = %path.display(), "rebuilding, once, so that freed space can be returned");
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.execute_batch("VACUUM")
    };
    if let Err(error) = rebuild() {
        tracing::warn!(database = %path.display(), %error, "the file could not be rebuilt: it will not shrink");
    }
}

/// What a step of giving pages back has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// There was no need to.
    Nothing,
    /// There are more to give back.
    Some,
    /// The rest is kept for what is written next.
    Last,
}

/// Gives up to `most` free pages back to the file system, if there are many of them. For a job on the writer of a database that was opened with
/// [`returns_pages`](crate::Options::returns_pages); the file is shorter after the next checkpoint.
pub fn give_back_pages(connection: &Connection, most: u32) -> rusqlite::Result<Returned> {
    let surplus = || -> rusqlite::Result<i64> {
        let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
        if free <= SMALL / KEPT {
            return Ok(0);
        }
        let all: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        Ok(if all <= SMALL { 0 } else { free - all / KEPT })
    };
    let before = surplus()?;
    if before <= 0 {
        return Ok(Returned::Nothing);
    }
    let mut step = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({most})"))?;
    let mut rows = step.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    let left = surplus()?;
    Ok(if left >= before {
        // A file that could not be rebuilt: asking again would not help.
        Returned::Nothing
    } else if left > 0 {
        Returned::Some
    } else {
        Returned::Last
    })
}
