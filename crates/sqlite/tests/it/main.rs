//! The history of a database, through what other crates see of it.

#![expect(clippy::unwrap_used, reason = "a test panics when it must")]

mod bounds;
mod crash;
mod damage;
mod gap;
mod killed;
mod past;
mod replica;
mod support;
