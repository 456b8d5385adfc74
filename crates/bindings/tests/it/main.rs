//! The bindings over a real socket, against real engines and a real workerd.

#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod d1;
mod kv;
mod r2;
mod support;
