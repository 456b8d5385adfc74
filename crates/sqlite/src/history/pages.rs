//! Whole pages of a database, read and written through SQLite itself (`sqlite_dbpage`), so that its locks, its
//! caches and its write-ahead log stay right.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::error::Result;

/// Bytes of the file header of which the schema cookie is one part.
const COOKIE: std::ops::Range<usize> = 40..44;
/// Bytes of the file header that SQLite keeps for later and does not look at.
const SPARE: std::ops::Range<usize> = 72..92;
/// What fits there.
pub(crate) type Stamp = [u8; 20];
/// SQLite locks bytes from here on, and so never uses the page that has them.
const LOCK_BYTE: u64 = 1 << 30;

/// The page that SQLite keeps free.
pub(crate) fn lock_page(page_size: u32) -> u32 {
    u32::try_from(LOCK_BYTE / u64::from(page_size)).unwrap_or(u32::MAX) + 1
}

pub(crate) fn page_size(connection: &Connection) -> Result<u32> {
    Ok(connection.query_row("PRAGMA page_size", [], |row| row.get(0))?)
}

/// Calls `each` with every page, in one read transaction, and answers how many pages the database has.
pub(crate) fn read_all(
    connection: &Connection,
    mut each: impl FnMut(u32, &[u8]) -> Result<()>,
) -> Result<u32> {
    let lock = lock_page(page_size(connection)?);
    let own = connection.is_autocommit();
    if own {
        connection.execute_batch("BEGIN")?;
    }
    let read = (|| {
        let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let mut statement = connection.prepare("SELECT pgno, data FROM sqlite_dbpage")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let page = row.get(0)?;
            if let (true, ValueRef::Blob(bytes)) = (page != lock, row.get_ref(1)?) {
                each(page, bytes)?;
            }
        }
        Ok(pages)
    })();
    if own {
        connection.execute_batch("COMMIT")?;
    }
    read
}

pub(crate) fn read_one(connection: &Connection, page: u32) -> Result<Vec<u8>> {
    let mut statement = connection.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1")?;
    Ok(statement.query_row([page], |row| row.get(0))?)
}

/// Overwrites pages in one transaction of a connection that nothing else has used its caches of.
pub(crate) struct Overwrite<'a> {
    connection: &'a Connection,
    page_size: u32,
    before: u32,
    /// Page 1 comes last: from then on the connection would take the schema for a new one.
    first: Option<Vec<u8>>,
    stamp: Option<Stamp>,
}

/// What [`put_stamp`] or [`Overwrite::stamp`] left in page 1.
pub(crate) fn stamp_of(page: &[u8]) -> Option<Stamp> {
    page.get(SPARE)?.try_into().ok()
}

pub(crate) fn put_stamp(page: &mut [u8], stamp: &Stamp) {
    if let Some(spare) = page.get_mut(SPARE) {
        spare.copy_from_slice(stamp);
    }
}

impl<'a> Overwrite<'a> {
    pub(crate) fn begin(connection: &'a Connection) -> Result<Self> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let begun = (|| {
            let before = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(Self { connection, page_size: page_size(connection)?, before, first: None, stamp: None })
        })();
        if begun.is_err() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        begun
    }

    pub(crate) fn page(&mut self, page: u32, bytes: &[u8]) -> Result<()> {
        if page == lock_page(self.page_size) {
            return Ok(());
        }
        if page == 1 {
            self.first = Some(bytes.to_owned());
            return Ok(());
        }
        self.put(page, bytes)
    }

    /// Leaves `stamp` in page 1.
    pub(crate) fn stamp(&mut self, stamp: Stamp) {
        self.stamp = Some(stamp);
    }

    fn put(&self, page: u32, bytes: &[u8]) -> Result<()> {
        let mut statement =
            self.connection.prepare_cached("INSERT INTO sqlite_dbpage (pgno, data) VALUES (?1, ?2)")?;
        statement.execute((page, bytes))?;
        Ok(())
    }

    /// Ends with a database of `pages` pages. `cookie` makes the schema cookie from the one that the database has
    /// and the one that the new page 1 brings: a connection that knows one must never meet it with another schema.
    pub(crate) fn commit(mut self, pages: u32, cookie: impl FnOnce(u32, u32) -> u32) -> Result<()> {
        if let Some(stamp) = self.stamp {
            let first = self.first.take().map_or_else(|| read_one(self.connection, 1), Ok)?;
            put_stamp(self.first.insert(first), &stamp);
        }
        if let Some(mut bytes) = self.first.take() {
            let old = read_one(self.connection, 1)?;
            let number = |bytes: &[u8]| u32::from_be_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]);
            let (was, brought) = (number(&old), number(&bytes));
            // With another cookie in it, SQLite would read the schema again for the next statement, out of pages
            // that it still knows as they were.
            bytes[COOKIE].copy_from_slice(&old[COOKIE]);
            self.put(1, &bytes)?;
            self.truncate(pages)?;
            let new = cookie(was, brought);
            if new != was {
                // SQLite takes it as signed and stores the same bits.
                self.connection.pragma_update(None, "schema_version", new.cast_signed())?;
            }
        } else {
            self.truncate(pages)?;
        }
        self.connection.execute_batch("COMMIT")?;
        // The tree still knows some pages as they were.
        self.connection.release_memory()?;
        Ok(())
    }

    /// The last thing that is done to pages: any other write takes it back.
    fn truncate(&self, pages: u32) -> Result<()> {
        if pages < self.before {
            let cut = "INSERT INTO sqlite_dbpage (pgno, data) VALUES (?1, NULL)";
            self.connection.execute(cut, [pages + 1])?;
        }
        Ok(())
    }
}

impl Drop for Overwrite<'_> {
    fn drop(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
            let _ = self.connection.release_memory();
        }
    }
}
