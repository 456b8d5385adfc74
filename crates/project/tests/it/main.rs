//! Whole configs through the front door.

#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

mod apps;
mod compatibility;
mod diagnostics;
mod environments;
mod formats;
mod local_secrets;
mod scripts;
mod settings;
mod support;
