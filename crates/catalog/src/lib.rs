//! What a data directory holds, in its own words: which class of which Worker owns which storage, and the
//! names that people gave to the resources in it, and the keys of the S3 endpoint.
//!
//! One file, `catalog.sqlite`. It carries the format version of the whole directory.

mod catalog;
mod keys;

pub use catalog::{Catalog, ResourceKind};
pub use keys::{AccessKey, AccessKeys, Permission};
pub use selvedge_sqlite::Error;
