//! A bucket of somebody else's S3: AWS, R2, MinIO, another Selvedge.
//!
//! Credentials and signatures are the [`object_store`] crate's. Its stores are not used: their paths cannot say
//! `photos/` or `a//b`, which are keys like any other and must survive a move. So the few requests that moving objects
//! takes are made here.

mod bucket;
mod connector;
mod error;
mod meta;
mod request;
mod xml;

pub use bucket::{Bucket, Entry, Page, PartTag, Place};
pub use connector::Connector;
pub use error::{Error, Result};
pub use meta::Meta;
