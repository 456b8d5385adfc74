//! Reads what other local runtimes have stored, so that people can move in: the state directories of
//! `wrangler dev` (Miniflare, `.wrangler/state/v3`) and of `workerd serve` (`.wrangler/state/workerd`).
//!
//! Nothing is changed there, and their owners may be running. A resource is one Durable Object in both, so its
//! database is named by the object's id, which is worked out from the resource's own id.

mod kv;
mod object_id;
mod r2;
mod state;

pub use selvedge_sqlite::copy_foreign as copy_database;

pub use kv::{KvState, Pair, PairValue};
pub use r2::{R2Object, R2State};
pub use state::{Error, Result, State};
