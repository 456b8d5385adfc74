//! The MySQL and MariaDB pooler: transactions of many clients over few connections.
//!
//! Answers are passed on where they lie; what is followed is where they end ([`answer`]). Clients are offered what
//! connections to the origin are opened with, so that an answer means the same on both sides. A connection goes back
//! to the pool only after an answer that ended where it should, outside a transaction; in every other case it is
//! reset or closed.

mod answer;
mod auth;
mod backend;
mod clients;
mod config;
mod connect;
mod error;
mod greeting;
mod inspect;
mod login;
mod packet;
mod rsa;
mod server;
mod session;
mod settings;
mod statements;
mod wire;

pub use backend::Backend;
pub use config::{MySqlConfig, MySqlCredential, MySqlMode};
pub use connect::{ConnectError, MySqlConnect};
pub use error::MySqlError;
pub use server::MySql;
