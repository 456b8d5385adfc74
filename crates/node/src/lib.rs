//! The one place where the parts meet: a project, the storage engines, the protocols, workerd and the front
//! door become a running node.
//!
//! The CLI is one caller; tests start nodes in-process through the same door.

mod access;
mod data;
mod dev;
mod exceptions;
mod hyperdrive;
mod locations;
mod release;
mod report;
mod s3;
mod storage;
mod supervise;
mod watch;

pub use access::{Access, AccessError};
pub use data::DataError;
pub use dev::{Dev, DevError, DevOptions};
pub use hyperdrive::HyperdriveError;
pub use locations::Colo;
pub use release::ReleaseError;
pub use report::{Failed, Level, Notice, Report};
pub use s3::{S3, S3Error};
pub use storage::StorageError;

pub use selvedge_api::{Answer, Body, Client, ClientError};
pub use selvedge_catalog::{AccessKey, Permission};
pub use selvedge_s3::{Extras as S3Extras, Settings as S3Settings};
