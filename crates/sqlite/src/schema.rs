//! Format versions: `application_id` says whose file it is, `user_version` how many steps it has taken.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::{Error, Result};

/// The shape of one kind of database. Step `n` takes a file from format `n` to `n + 1`; steps are only ever
/// appended.
#[derive(Debug)]
pub struct Schema {
    /// For messages: `"KV namespace"`.
    pub kind: &'static str,
    pub application_id: i32,
    pub steps: &'static [&'static str],
}

impl Schema {
    /// Brings the file at `path`, open as `connection`, to the newest format, or refuses it.
    pub(crate) fn apply(&self, connection: &mut Connection, path: &Path) -> Result<()> {
        let known = i32::try_from(self.steps.len()).unwrap_or(i32::MAX);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id: i32 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let found: i32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let new = id == 0 && found == 0 && tables == 0;
        if !new && id != self.application_id {
            return Err(Error::NotOurs { path: path.to_owned(), kind: self.kind });
        }
        if found > known {
            return Err(Error::NewerFormat { path: path.to_owned(), found, known });
        }
        if found == known && !new {
            return Ok(());
        }
        for step in &self.steps[usize::try_from(found).unwrap_or(0)..] {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()?;
        Ok(())
    }
}
