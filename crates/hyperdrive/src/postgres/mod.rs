//! The Postgres pooler: protocol 3 on both sides, and transactions of many clients over few connections.
//!
//! Bytes are passed on where they lie; what is kept is which answers are due ([`backend`]), and whose names stand
//! for which prepared statements ([`names`], [`statements`]). A connection goes back to the pool only when the origin
//! has said `ReadyForQuery` outside a transaction and nothing else is due; in every other case it is closed.

mod backend;
mod caching;
mod cancel;
mod config;
mod connect;
mod console;
mod error;
mod hear;
mod kind;
mod login;
mod message;
mod names;
mod params;
mod reader;
mod relay;
mod reset;
mod scram;
mod server;
mod session;
mod sql;
mod startup;
mod statements;

pub use backend::Backend;
pub use config::{ClientAuth, Credential, Mode, PostgresConfig, Reset};
pub use connect::{ConnectError, PgConnect};
pub use error::{OriginMessage, PgError, Severity};
pub use kind::Kind;
pub use server::Postgres;
