//! End to end: the real binary, real workerd, real Workers, real clients.

#![expect(clippy::unwrap_used, reason = "a test panics when it must")]

mod crash;
mod d1_history;
mod differential;
mod examples;
mod hyperdrive;
mod kv_edge;
mod mistakes;
mod orms;
mod platform;
mod reload;
mod s3;
mod s3_crash;
mod sessions;
mod support;
mod sync;
mod tidy;
mod tools;
mod words;
