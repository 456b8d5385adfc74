//! The engine as a library.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod atomicity;
mod hostile;
mod interleaving;
mod migrations;
mod queries;
mod sessions;
mod support;
mod transactions;
mod transactions_by_name;
mod travel;
