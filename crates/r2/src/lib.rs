//! R2 as a library: buckets of objects, with conditional writes, checksums, ranges, listings and multipart
//! uploads, as Cloudflare's R2 has them.
//!
//! What an object is lives in one SQLite file per bucket; its bytes are in the same file when they are few, and
//! in files beside it when they are many. The bytes are durable before the row, and the row is what makes an
//! object exist. There is no HTTP here: the protocols that reach R2 (the Workers binding, later S3) translate
//! to these calls, and find the number, status and text of every refusal in [`Error`].

mod bucket;
mod condition;
mod content;
mod digest;
mod error;
mod garbage;
mod get;
mod limits;
mod list;
mod multipart;
mod object;
mod put;
mod range;
mod receive;
mod rows;
mod schema;
mod store;

pub use bucket::Bucket;
pub use condition::{Conditions, EtagMatcher};
pub use content::{Content, ContentStream};
pub use digest::{Algorithm, Checksums};
pub use error::{Error, Result};
pub use get::{Found, Get};
pub use limits::Limits;
pub use list::{ListOptions, Listing};
pub use multipart::{ClaimedPart, CreateOptions};
pub use object::{HttpMetadata, Object, StorageClass};
pub use put::PutOptions;
pub use range::{Range, Span};
pub use store::Store;
