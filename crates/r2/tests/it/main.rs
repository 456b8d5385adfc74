//! The engine from outside.

#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod calls;
mod crash;
mod files;
mod fsck;
mod model;
mod multipart;
mod races;
mod rules;
mod support;
