//! The REST API over the storage engines, in the shape of Cloudflare's v4 API.
//!
//! It is what our own tools speak, to a running node over a unix socket or to engines in their own process
//! ([`Client::in_process`]), so that a tool has one way of doing things. Paths and bodies are Cloudflare's
//! (`/client/v4/accounts/local/storage/kv/namespaces/…`), and what Cloudflare has no path for is under
//! `/client/v4/accounts/local/selvedge/…` or under the resource it belongs to.
//!
//! Whoever can open the socket may do everything; it is in a directory that only the node's user can enter.
//! Requests are translated here, decided in the engines.

mod access_keys;
mod client;
mod clock;
mod d1;
mod envelope;
mod kv;
mod r2;
mod request;
mod server;

pub use client::{Answer, Client, ClientError};
pub use clock::{ClockMove, ClockState};
pub use envelope::Body;
pub use server::{Api, serve};

/// Every path of the API begins with this; there is one account.
pub const ACCOUNT: &str = "/client/v4/accounts/local";
