//! Workers KV as a library: namespaces of keys with a value, metadata and an expiration.
//!
//! ```no_run
//! # async fn example() -> Result<(), selvedge_kv::Error> {
//! use selvedge_base::SystemClock;
//! use selvedge_kv::{ListOptions, Limits, PutOptions, Store};
//!
//! let store = Store::open("data/kv".as_ref(), SystemClock::shared(), Limits::default())?;
//! let sessions = store.namespace("sessions").await?;
//! let options = PutOptions { expiration_ttl: Some(3600), ..PutOptions::default() };
//! sessions.put("user:1", "signed in", &options).await?;
//! let page = sessions.list(&ListOptions { prefix: "user:", ..ListOptions::default() }).await?;
//! assert_eq!(page.keys[0].name, "user:1");
//! # Ok(())
//! # }
//! ```
//!
//! - A put or delete that was answered is on disk; puts that meet share one fsync. What was answered is what
//!   every later read sees. Who wants the staleness of Cloudflare's locations reads through an [`Edge`].
//! - Values up to 64 KiB are in the namespace's SQLite file, larger ones are files of their own. Streams are
//!   never held in memory whole, in either direction.
//! - Everything stored has a checksum that is verified whenever it is read: bytes that the disk changed are an
//!   error ([`Error::Damaged`]), never an answer. [`Namespace::check`] looks at all of a namespace.
//! - An expired key is gone at once for every reader; its space is taken back a little later, in the background.
//! - Limits and error texts are Cloudflare's ([`Refusal`]); the numbers are settings ([`Limits`]).
//!
//! This crate knows nothing of HTTP, of Workers, or of the names that people give their namespaces.

mod bulk;
mod check;
mod checksum;
mod edge;
mod error;
mod janitor;
mod limits;
mod list;
mod namespace;
mod put;
mod rate;
mod row;
mod rules;
mod schema;
mod store;
mod value;

pub use bulk::{BulkOutcome, Pair};
pub use check::{CheckReport, Damaged};
pub use edge::{CacheState, CacheStatus, Edge, EdgeOptions, Location, View};
pub use error::{Damage, Error, Refusal, Result};
pub use limits::Limits;
pub use list::{ListOptions, ListedKey, Page};
pub use namespace::Namespace;
pub use put::PutOptions;
pub use store::Store;
pub use value::{Entry, Value, ValueFile};
