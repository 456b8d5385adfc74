//! A SQLite database as the storage engines need it: one writer thread that lets many requests share one
//! fsync, a pool of readers that never wait for it, a format version in every file, and the policy that
//! Cloudflare puts on SQL written by users.
//!
//! Nothing outside this crate opens a database.

mod database;
mod error;
mod foreign;
pub mod history;
pub mod policy;
mod readers;
mod schema;
mod space;
mod writer;

pub use database::{Database, Options};
pub use error::{Error, Result};
pub use foreign::{adopt, copy_foreign, open_foreign};
pub use history::{History, HistoryError, HistoryOptions, Keep};
pub use rusqlite;
pub use schema::Schema;
pub use space::{Returned, give_back_pages};
pub use writer::WriteError;
