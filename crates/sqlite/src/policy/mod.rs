//! What Cloudflare lets user-written SQL do, in D1 and in Durable Objects alike.
//!
//! [`install`] prepares a connection once. From then on SQL that is prepared or run inside [`as_user`] on the
//! same thread is a user's: an authorizer allows what workerd's allows, and a deadline interrupts it. SQL
//! outside [`as_user`] is our own (`BEGIN`, `SAVEPOINT`, the migrations table) and only has the limits.
//!
//! Two rules for callers. A statement prepared as our own must never be run for a user, so a text from a user
//! may only reach a cache of prepared statements after it was once prepared inside [`as_user`]. And a cached
//! statement must be run inside [`as_user`] too: SQLite prepares it again when the schema has changed.

mod authorizer;
mod counts;
mod limits;
mod lists;
mod scope;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

pub use counts::Counts;
pub use limits::Limits;
pub use scope::{Seen, as_user, seen};

/// Virtual machine steps between two looks at the clock; some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// Puts the policy on a new connection, as [`Options::policy`](crate::Options::policy) asks for it.
pub fn install(connection: &mut Connection, limits: &Limits) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    limits.set(connection)?;
    connection.authorizer(Some(authorizer::authorize))?;
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(scope::is_past_deadline))
}

/// How many tables have a reserved name. `ALTER TABLE … RENAME TO` is the one statement that can make one, as
/// the authorizer does not hear the new name: whoever runs it compares before and after.
pub fn reserved_names(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT count(*) FROM sqlite_schema WHERE name LIKE '!_cf!_%' ESCAPE '!'")?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests;
