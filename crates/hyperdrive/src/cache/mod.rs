//! Answers of the origin, kept and given again: Hyperdrive's query cache. Knows statements, not protocols.
//!
//! How a protocol uses it:
//!
//! 1. Once per client: a [`Session`], with everything that changes how a statement is read or answered. Made anew
//!    when a parameter changes.
//! 2. Per text: [`classify`]. The verdict belongs to the text alone, so a prepared statement keeps it.
//! 3. Per execution ([`QueryCache::allows`] first), when no transaction is open (also none that a pipeline opened before its Sync), the session has
//!    no state beside its parameters (temporary tables, session mode) and the whole result is asked for (no row
//!    limit): a [`Key`] from a [`KeyBuilder`], and [`QueryCache::lookup`]. In all other cases
//!    [`QueryCache::note`] with [`CacheStatus::Uncacheable`] or [`CacheStatus::Disabled`].
//! 4. On a miss, the bytes of the answer go to the [`Fill`] as they pass to the client, and [`Fill::finish`] is
//!    called when it ended well. An error, a notice, a changed parameter or a lost client: drop the `Fill`.
//!
//! A text does not tell what the names in it stand for. So the protocol runs [`Catalog::sql`] on a connection of
//! the pool before the first answer is kept, hands the result to [`QueryCache::set_catalog`], and does so again
//! whenever [`QueryCache::catalog_is_due`] says so.
//!
//! Which messages an answer holds is the protocol's business; it puts into the key ([`Form`],
//! [`KeyBuilder::part`]) whatever changes them.

mod catalog;
mod classify;
mod counters;
mod grammar;
mod key;
mod lexer;
mod names;
mod query_cache;
mod settings;
mod store;
mod verdict;

pub use catalog::Catalog;
pub use classify::classify;
pub use counters::{CacheCounters, CacheStatus};
pub use key::{Form, Key, KeyBuilder, Session};
pub use query_cache::{Fill, Lookup, QueryCache};
pub use settings::{CacheSettings, DEFAULT_STORE_BYTES, LONGEST_MAX_AGE};
pub use store::{Answer, CacheStore};
pub use verdict::{Dialect, Reason, Statement, Verdict};

#[cfg(test)]
mod tests;
