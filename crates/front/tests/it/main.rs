//! The front door as clients meet it, in front of real workerd processes and of sockets that misbehave.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod exceptions;
mod heads;
mod http2;
mod limits;
mod locations;
mod setup;
mod stopping;
mod streaming;
mod swapping;
mod websockets;
