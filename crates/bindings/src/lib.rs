//! What workerd calls when a Worker uses a binding: KV, D1 and R2 as HTTP over a unix socket, the way the
//! runtime speaks it.
//!
//! A request on a binding does not name its resource. workerd is configured to inject two headers into every
//! request of a binding, the resource and a token made at boot, and user code can neither see nor change
//! them. This crate checks the token, finds the resource and translates; what is stored, and how, is the
//! business of the primitive.

mod body;
mod d1;
mod kv;
mod r2;
mod server;

pub use server::{
    COLO_HEADER, ISOLATE_HEADER, RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve, serve_stream,
};
