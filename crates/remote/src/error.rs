use http::StatusCode;
use object_store::client::HttpError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with somebody else's bucket. Texts are for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Misuse(String),
    #[error("there are no credentials for {endpoint}")]
    Credentials { endpoint: String, source: object_store::Error },
    #[error("{endpoint} cannot be reached")]
    Unreachable { endpoint: String, source: HttpError },
    #[error("the answer broke off")]
    BrokeOff(#[from] HttpError),
    /// The server said no.
    #[error("{code}: {message} ({status}, {what})")]
    Refused { what: String, status: StatusCode, code: String, message: String },
    #[error("the answer to {what} is not what S3 would say: {why}")]
    Malformed { what: String, why: String },
}

impl Error {
    /// Whether the same request may well work in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::BrokeOff(_) => true,
            Self::Refused { status, code, .. } => {
                matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504) || code == "RequestTimeout"
            }
            _ => false,
        }
    }

    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
