use std::io;

use selvedge_sqlite::WriteError;

use crate::Algorithm;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why R2 said no, or could not answer.
///
/// `Display` of a refusal is R2's own text, since code matches on it. What failed inside is told as such and
/// reaches a caller only as R2's "internal error" ([`Error::message`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The specified key does not exist.")]
    NoSuchKey,
    #[error("Your proposed upload is smaller than the minimum allowed object size.")]
    PartTooSmall,
    #[error("Your metadata headers exceed the maximum allowed metadata size.")]
    MetadataTooLarge,
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header.")]
    IncompleteBody,
    #[error("The specified object name is not valid.")]
    InvalidObjectName,
    #[error("MaxKeys params must be positive integer <= 1000.")]
    InvalidMaxKeys,
    #[error("The specified multipart upload does not exist.")]
    NoSuchUpload,
    /// An upload that this bucket has never seen, on complete and abort: R2 answers it as an internal error.
    #[error("the upload was not created in this bucket for this key")]
    UnknownUpload,
    /// The same part number twice in one complete: R2 answers it as an internal error.
    #[error("a part number is listed twice")]
    RepeatedPart,
    #[error("One or more of the specified parts could not be found.")]
    InvalidPart,
    /// A request that cannot be understood; the text says which part of it.
    #[error("{0}")]
    InvalidArgument(String),
    #[error("At least one of the pre-conditions you specified did not hold.")]
    PreconditionFailed,
    #[error(
        "The {algorithm} checksum you specified did not match what we received.\n\
         You provided a {algorithm} checksum with value: {given}\n\
         Actual {algorithm} was: {actual}"
    )]
    BadDigest { algorithm: Algorithm, given: String, actual: String },
    #[error("The requested range is not satisfiable")]
    InvalidRange,
    /// Parts of unequal sizes, or a last part larger than the others.
    #[error("There was a problem with the multipart upload.")]
    UnequalParts,
    #[error("Your proposed upload exceeds the maximum allowed object size.")]
    EntityTooLarge,
    #[error("The specified bucket does not exist.")]
    NoSuchBucket,
    #[error("The specified bucket name is not valid.")]
    InvalidBucketName,
    #[error("The bucket you tried to create already exists, and you own it.")]
    BucketConflict,
    #[error("The bucket you tried to delete ({0}) is not empty")]
    BucketNotEmpty(String),
    #[error("The object is locked by the bucket policy.")]
    ObjectLocked,
    #[error(
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
         retrieve the object."
    )]
    SsecMissing,
    #[error(
        "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
    )]
    SsecWrong,
    #[error("The encryption parameters are not applicable to this object.")]
    SsecNotApplicable,
    #[error("the bucket's database failed")]
    Database(#[from] selvedge_sqlite::Error),
    #[error("a file of the bucket could not be read or written")]
    File(#[from] io::Error),
    #[error("the bucket says that {key:?} is in the file {blob}, and there is no such file")]
    Lost { key: String, blob: String },
    #[error("the bytes of {key:?} in the bucket's database are not those that were written")]
    Damaged { key: String },
    #[error("the bucket's database holds something that is not {0}")]
    Corrupt(&'static str),
    #[error("the node is stopping")]
    Stopping,
}

impl Error {
    /// R2's own number for it, as the Workers binding shows it.
    pub fn v4code(&self) -> u32 {
        match self {
            Self::SsecWrong => 10003,
            Self::InvalidBucketName => 10005,
            Self::NoSuchBucket => 10006,
            Self::NoSuchKey => 10007,
            Self::BucketNotEmpty(_) => 10008,
            Self::PartTooSmall => 10011,
            Self::MetadataTooLarge => 10012,
            Self::IncompleteBody => 10013,
            Self::InvalidObjectName => 10020,
            Self::InvalidMaxKeys => 10022,
            Self::NoSuchUpload => 10024,
            Self::InvalidPart => 10025,
            Self::InvalidArgument(_) | Self::SsecMissing | Self::SsecNotApplicable => 10029,
            Self::PreconditionFailed => 10031,
            Self::BadDigest { .. } => 10037,
            Self::InvalidRange => 10039,
            Self::UnequalParts => 10048,
            Self::ObjectLocked => 10069,
            Self::BucketConflict => 10073,
            Self::EntityTooLarge => 100_100,
            Self::UnknownUpload
            | Self::RepeatedPart
            | Self::Database(_)
            | Self::File(_)
            | Self::Lost { .. }
            | Self::Damaged { .. }
            | Self::Corrupt(_)
            | Self::Stopping => 10001,
        }
    }

    /// The HTTP status that goes with [`Error::v4code`].
    pub fn status(&self) -> u16 {
        match self.v4code() {
            10001 => 500,
            10003 | 10069 => 403,
            10006 | 10007 | 10024 => 404,
            10008 | 10073 => 409,
            10031 => 412,
            10039 => 416,
            _ => 400,
        }
    }

    /// The code that R2's S3 API has for it.
    pub fn s3_code(&self) -> &'static str {
        match self.v4code() {
            10003 => "AccessDenied",
            10005 => "InvalidBucketName",
            10006 => "NoSuchBucket",
            10007 => "NoSuchKey",
            10008 => "BucketNotEmpty",
            10011 => "EntityTooSmall",
            10012 => "MetadataTooLarge",
            10013 => "IncompleteBody",
            10020 => "InvalidObjectName",
            10022 => "InvalidMaxKeys",
            10024 => "NoSuchUpload",
            10025 | 10048 => "InvalidPart",
            10029 => "InvalidArgument",
            10031 => "PreconditionFailed",
            10037 => "BadDigest",
            10039 => "InvalidRange",
            10069 => "ObjectLockedByBucketPolicy",
            10073 => "BucketConflict",
            100_100 => "EntityTooLarge",
            _ => "InternalError",
        }
    }

    /// R2's text for it. What failed inside stays inside.
    pub fn message(&self) -> String {
        if self.is_internal() {
            "We encountered an internal error. Please try again.".to_owned()
        } else {
            self.to_string()
        }
    }

    /// True when it is not the caller's doing, and an operator should hear of it.
    pub fn is_internal(&self) -> bool {
        self.v4code() == 10001
    }
}

impl From<rusqlite::Error> for Error {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database(source.into())
    }
}

impl From<WriteError<Error>> for Error {
    fn from(failed: WriteError<Error>) -> Self {
        match failed {
            WriteError::Job(no) => no,
            WriteError::Database(failed) => Self::Database(failed),
        }
    }
}
