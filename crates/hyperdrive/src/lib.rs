//! The way from a Worker to somebody's own Postgres or MySQL.
//!
//! For now a straight relay: a byte that the Worker's driver sends is a byte that the database receives. No
//! pool, no cache, no credentials of our own.

mod origin;
mod relay;

pub use origin::{Origin, OriginError};
pub use relay::relay;
