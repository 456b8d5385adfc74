//! The way from a Worker, or from any application, to somebody's own Postgres or MySQL.
//!
//! [`pool`] shares connections to an origin, [`cache`] keeps its answers; neither knows a protocol. [`postgres`] does,
//! and puts any number of clients in front of a pool. [`Pooler`] is all of that for one origin. [`relay`] uses none of it: a byte that the driver sends is a
//! byte that the database receives.

pub mod cache;
pub mod mysql;
pub mod net;
pub mod pool;
pub mod postgres;

mod listener;
mod origin;
mod pooler;
mod relay;
mod report;

pub use listener::{Listener, Serve, Stream, listen};
pub use origin::{Origin, OriginError};
pub use pooler::{ClientLogin, Login, Pooler, PoolerError, PoolerSettings};
pub use relay::relay;
