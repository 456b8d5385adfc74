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
mod lists;
mod scope;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

pub use scope::{Change, Seen, Write, as_user, seen};

/// Statements, bound values and rows may be this long, in bytes. Cloudflare documents 2,000,000 for a row and
/// enforces this.
pub const LENGTH: i32 = 4 * 1024 * 1024;
/// The longest statement, in bytes.
pub const SQL_LENGTH: i32 = 100_000;
/// The most bound parameters of a statement.
pub const VARIABLES: i32 = 100;

/// Virtual machine steps between two looks at the clock; some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// From workerd's `sqlite.c++`, as of late 2026.
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, LENGTH),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_LENGTH),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, VARIABLES),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Puts the policy on a new connection; made to be [`Options::prepare`](crate::Options::prepare).
pub fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
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
