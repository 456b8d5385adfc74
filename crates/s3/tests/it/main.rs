//! The endpoint over real sockets, with requests signed by hand.

mod auth;
mod buckets;
mod chunked;
mod hostile;
mod keys;
mod lists;
mod multipart;
mod objects;
mod races;
mod support;
