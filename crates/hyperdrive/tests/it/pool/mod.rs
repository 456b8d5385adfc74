//! The Postgres pooler in front of a real server.

mod caching;
mod chaos;
mod console;
mod copy;
mod extended;
mod failures;
mod garbage;
mod hostile;
mod isolation;
mod limits;
mod login;
mod origins;
mod resets;
mod session;
mod settings;
mod simple;
mod statements;
