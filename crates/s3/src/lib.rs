//! R2's S3 endpoint: the buckets of a data directory for every S3 client.
//!
//! The [`s3s`] crate reads and writes the protocol (routes, XML, signatures, chunked bodies). This crate decides who
//! may do what, translates each operation into calls on [`selvedge_r2`], and serves it all on a TCP port. What is
//! not an S3 operation is done around `s3s`: times through our own clock, temporary credentials, CORS.
//!
//! Operations that R2 does not have are answered as R2 answers them: `NotImplemented`. docs/s3.md has the table.

mod access;
mod body;
mod buckets;
mod call;
mod checksums;
mod conditions;
mod cors;
mod endpoint;
mod exchange;
mod grant;
mod guard;
mod hosts;
mod metadata;
mod ops;
mod refusal;
mod service;
mod session;
mod ssec;
mod time;

pub use endpoint::{BindError, Endpoint, Settings};
pub use grant::first_key;
pub use service::Extras;
pub use session::{SessionOptions, TemporaryCredentials, issue_session};
