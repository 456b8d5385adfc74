//! The engine from outside.

#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod calls;
mod files;
mod model;
mod multipart;
mod races;
mod support;
