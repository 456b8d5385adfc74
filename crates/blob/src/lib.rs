//! Immutable files for values that are too large for a database row.
//!
//! A blob is written under a temporary name, fsynced, renamed to its id and its directory fsynced, so that an
//! id that was answered names whole bytes on disk, whatever happens next. It is never changed afterwards. A
//! row in a database gives it meaning; a blob without a row is an orphan that [`Store::sweep`] removes.
//!
//! A *sealed* blob ([`Store::create_sealed`]) has a checksum for every 64 KiB behind its bytes, so that a read
//! of any part of it notices when the disk gives back something else than was written.
//!
//! Bytes go to the disk beside the caller's work ([`Behind`]): while one buffer is written, the next arrives.
//!
//! Nothing outside this crate creates a value file.

mod behind;
mod id;
mod pin;
mod pool;
mod read;
mod seal;
mod store;
mod writer;

pub use behind::{Behind, Step};
pub use id::BlobId;
pub use pin::Pin;
pub use pool::Pool;
pub use read::{Damage, SealedFile, Verdict};
pub use seal::CHUNK as SEAL_CHUNK;
pub use store::{Found, Store};
pub use writer::{Finished, Transform, Writer};
