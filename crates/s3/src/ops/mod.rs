//! Each operation as calls on the engine.

pub(crate) mod attributes;
pub(crate) mod buckets;
pub(crate) mod copy;
pub(crate) mod cors;
pub(crate) mod delete;
pub(crate) mod form;
pub(crate) mod lifecycle;
pub(crate) mod list;
pub(crate) mod multipart;
pub(crate) mod read;
pub(crate) mod upload;
pub(crate) mod write;

use s3s::dto::Owner;

/// There is one account, and it owns everything.
fn owner() -> Owner {
    Owner { display_name: Some("selvedge".to_owned()), id: Some("selvedge".to_owned()) }
}
