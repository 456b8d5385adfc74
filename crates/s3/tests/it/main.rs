//! The endpoint over real sockets, with requests signed by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests panic where the test shall fail")]

mod auth;
mod buckets;
mod chunked;
mod conformance;
mod extras;
mod hostile;
mod keys;
mod lists;
mod multipart;
mod objects;
mod races;
mod signing;
mod support;
