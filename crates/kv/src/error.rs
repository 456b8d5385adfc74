use std::io;
use std::path::PathBuf;

use selvedge_sqlite::WriteError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not do what it was asked. Nothing of a failed put or delete is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that KV does not do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The stream that was to become a value failed or ended early.
    #[error("the value could not be read from its sender")]
    Sender(#[source] io::Error),
    #[error("cannot use the directory {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("a value file could not be read or written")]
    ValueFile(#[source] io::Error),
    /// What is stored is not what was put. It is not served: restore it from a backup, put the key again, or
    /// delete it.
    #[error("what is stored under {key:?} is damaged on disk: {damage}")]
    Damaged { key: String, damage: Damage },
    /// The namespace was deleted while this handle to it was kept, or the program is ending.
    #[error("the namespace is closed: it was deleted")]
    Deleted,
    #[error("the namespace's database could not be used")]
    Database(#[source] selvedge_sqlite::Error),
}

impl Error {
    /// True when the disk is full: nothing is wrong with the request, and it may succeed later.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::ValueFile(e) | Self::Directory { source: e, .. } => e.kind() == io::ErrorKind::StorageFull,
            Self::Database(e) => e.is_disk_full(),
            Self::Refused(_) | Self::Sender(_) | Self::Damaged { .. } | Self::Deleted => false,
        }
    }
}

/// How a stored value shows that it is not what was put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("its row does not have the checksum it was written with")]
    Row,
    #[error("its file {blob} is missing")]
    FileMissing { blob: String },
    #[error(transparent)]
    File(selvedge_blob::Damage),
}

impl From<selvedge_sqlite::Error> for Error {
    fn from(failed: selvedge_sqlite::Error) -> Self {
        match failed {
            selvedge_sqlite::Error::Closed => Self::Deleted,
            failed => Self::Database(failed),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(failed: rusqlite::Error) -> Self {
        Self::Database(failed.into())
    }
}

impl From<WriteError<rusqlite::Error>> for Error {
    fn from(failed: WriteError<rusqlite::Error>) -> Self {
        match failed {
            WriteError::Job(failed) => failed.into(),
            WriteError::Database(failed) => failed.into(),
        }
    }
}

/// What KV does not do, in Cloudflare's words: code matches on these texts.
///
/// Numbers that a caller sent as text (`given`) are repeated as they came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Key names must not be empty")]
    EmptyKey,
    #[error("Illegal key name \"{name}\". Please use a different name.")]
    DotKey { name: String },
    /// Also for the prefix of a listing.
    #[error("UTF-8 encoded length of {bytes} exceeds key length limit of {limit}.")]
    KeyTooLong { bytes: usize, limit: usize },
    #[error("Value length of {bytes} exceeds limit of {limit}.")]
    ValueTooLarge { bytes: u64, limit: u64 },
    #[error("Metadata length of {bytes} exceeds limit of {limit}.")]
    MetadataTooLarge { bytes: usize, limit: usize },
    /// Not one of Cloudflare's texts: their runtime never sends such metadata.
    #[error("Metadata must be valid JSON.")]
    MetadataNotJson,
    #[error("Invalid expiration_ttl of {given}. Please specify integer greater than 0.")]
    ExpirationTtlNotPositive { given: String },
    #[error("Invalid expiration_ttl of {given}. Expiration TTL must be at least {least}.")]
    ExpirationTtlTooShort { given: String, least: u64 },
    #[error(
        "Invalid expiration of {given}. Please specify integer greater than the current number of seconds since the UNIX epoch."
    )]
    ExpirationPast { given: String },
    #[error(
        "Invalid expiration of {given}. Expiration times must be at least {least} seconds in the future."
    )]
    ExpirationTooSoon { given: String, least: u64 },
    #[error("Invalid cache_ttl of {given}. Cache TTL must be at least {least}.")]
    CacheTtlTooShort { given: String, least: u64 },
    #[error("Invalid key_count_limit of {given}. Please specify an integer greater than 0.")]
    ListLimitNotPositive { given: String },
    #[error("Invalid key_count_limit of {given}. Please specify an integer less than {most}.")]
    ListLimitTooLarge { given: String, most: usize },
    #[error("Invalid cursor.")]
    Cursor,
    #[error("You must request a minimum of 1 key")]
    NoKeys,
    #[error("You can request a maximum of {most} keys")]
    TooManyKeys { most: usize },
    #[error("\"{given}\" is not a valid type. Use \"json\" or \"text\"")]
    BulkType { given: String },
    #[error("At least one of the requested keys corresponds to a non-json value")]
    BulkNotJson,
    /// More pairs, or keys to delete, than one bulk write may have. Not one of Cloudflare's texts, whose clients
    /// split what is longer.
    #[error("You can write a maximum of {most} keys in one request")]
    TooManyPairs { most: usize },
    #[error("Too Many Requests")]
    TooManyWrites,
    #[error("Total size of request exceeds the limit of {}MB", limit / (1024 * 1024))]
    BulkTooLarge { limit: u64 },
}

impl Refusal {
    /// The status that Cloudflare gives with the text.
    pub fn status(&self) -> u16 {
        match self {
            Self::KeyTooLong { .. } => 414,
            Self::TooManyWrites => 429,
            Self::ValueTooLarge { .. } | Self::MetadataTooLarge { .. } | Self::BulkTooLarge { .. } => 413,
            _ => 400,
        }
    }
}
