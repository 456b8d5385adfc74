//! R2 as a library: buckets of objects, with conditional writes, checksums, ranges, listings, multipart uploads,
//! encryption with the caller's key, copies and bucket rules, as Cloudflare's R2 has them.
//!
//! What an object is lives in one SQLite file per bucket; its bytes are in the same file when they are few, and
//! in files beside it when they are many. The bytes are durable before the row, and the row is what makes an
//! object exist. There is no HTTP here: the protocols that reach R2 (the Workers binding, S3) translate
//! to these calls, and find the number, status and text of every refusal in [`Error`].
//!
//! | to | there is |
//! |---|---|
//! | have buckets | [`Store::create_bucket`], [`Store::existing_bucket`], [`Store::bucket`] (created when missing), [`Store::list_buckets`], [`Store::bucket_info`], [`Store::delete_bucket`] |
//! | write | [`Bucket::put`], [`Bucket::copy`], [`Bucket::delete`] (all or none), [`Bucket::delete_each`] (each by itself), [`Bucket::delete_if`] |
//! | read | [`Bucket::get_with`], [`Bucket::head_with`] (conditions, [`Range`], key), [`Bucket::list`], [`Bucket::object_parts`] |
//! | upload in parts | [`Bucket::create_multipart`], [`Bucket::upload_part_with`], [`Bucket::upload_part_copy`], [`Bucket::complete_multipart_with`], [`Bucket::abort_multipart`], [`Bucket::list_uploads`], [`Bucket::list_parts`] |
//! | verify | [`Checksums`] that are given, [`Algorithm`]s to count, a [`Trailer`] that comes behind the body |
//! | encrypt | an [`SsecKey`] in the options of every call that reads or writes bytes |
//! | have rules | [`Bucket::set_lifecycle`], [`Bucket::set_locks`], [`Bucket::set_cors`] with [`cors_grant`], [`Bucket::set_public_access`], [`Bucket::set_notification_rules`] with [`Bucket::events`] |
//! | look after it | [`Bucket::usage`], [`Bucket::apply_lifecycle`], [`Bucket::fsck`] |

mod bucket;
mod checksum;
mod condition;
mod content;
mod copy;
mod delete;
mod digest;
mod error;
mod features;
mod fsck;
mod garbage;
mod get;
mod keeper;
mod limits;
mod list;
mod multipart;
mod object;
mod put;
mod range;
mod receive;
mod rows;
mod schema;
mod ssec;
mod store;
mod unsettled;
mod uploads;
mod usage;

pub use bucket::Bucket;
pub use checksum::{Algorithm, ChecksumKind, Checksums, Trailer};
pub use condition::{Conditions, EtagMatcher};
pub use content::{Content, ContentStream};
pub use copy::{CopyMetadata, CopyOptions, PartCopyOptions};
pub use error::{Error, Result};
pub use features::cors::{CorsAllowed, CorsGrant, CorsRule, cors_grant};
pub use features::events::{Action, Event, NotificationRule};
pub use features::lifecycle::{
    ClassTransition, LifecycleCondition, LifecycleOutcome, LifecycleRule, LifecycleScope, Transition,
};
pub use features::locks::{LockCondition, LockRule};
pub use features::moment::Moment;
pub use features::settings::{BucketOptions, PublicAccess};
pub use fsck::{FsckOptions, FsckReport, Problem, ProblemKind};
pub use get::{Found, Get, GetOptions, Head, ObjectPart};
pub use limits::Limits;
pub use list::{ListOptions, Listing};
pub use multipart::{ClaimedPart, CompleteOptions, CreateOptions, PartOptions, StoredPart, UploadChecksum};
pub use object::{HttpMetadata, Object, StorageClass};
pub use put::PutOptions;
pub use range::{Range, Span};
pub use ssec::{Ssec, SsecKey};
pub use store::{BucketInfo, Buckets, ListBuckets, Store};
pub use uploads::{ListUploads, OpenUpload, Parts, Uploads};
pub use usage::Usage;
