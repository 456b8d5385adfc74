//! Hyperdrive against real databases. A test whose database is not installed says so and passes.

#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod cache_corpus;
mod cache_postgres;
mod mysql;
mod pool;
mod support;
