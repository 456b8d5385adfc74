//! Immutable files for values that are too large for a database row.
//!
//! A blob is written under a temporary name, fsynced, renamed to its id and its directory fsynced, so that an
//! id that was answered names whole bytes on disk, whatever happens next. It is never changed afterwards. A
//! row in a database gives it meaning; a blob without a row is an orphan that [`Store::sweep`] removes.
//!
//! Nothing outside this crate creates a value file.

mod store;

pub use store::{BlobId, Store, Writer};
