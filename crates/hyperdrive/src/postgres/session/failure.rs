use std::sync::Arc;

use super::super::connect::ConnectError;
use super::super::error::{OriginMessage, PgError, Severity};
use crate::pool::AcquireError;

/// Why a request was not carried out, as its client is told.
#[derive(Clone, Debug)]
pub(in super::super) enum Failure {
    Ours(PgError),
    /// In the origin's own words.
    Origin(OriginMessage),
    /// The same, about what the client asked for when it connected. Its connection ends with it.
    Startup(OriginMessage),
}

impl Failure {
    pub(in super::super) fn push_as(&self, out: &mut Vec<u8>, severity: Severity) {
        match self {
            Self::Ours(error) => error.push_as(out, severity),
            Self::Origin(message) | Self::Startup(message) => message.push_as(out, severity),
        }
    }
}

impl From<Arc<ConnectError>> for Failure {
    fn from(error: Arc<ConnectError>) -> Self {
        match &*error {
            ConnectError::Origin(message) => Self::Origin(message.clone()),
            ConnectError::Settings(message) => Self::Startup(message.clone()),
            other => Self::Ours(other.to_pg()),
        }
    }
}

impl From<AcquireError<ConnectError>> for Failure {
    fn from(error: AcquireError<ConnectError>) -> Self {
        match error {
            AcquireError::Refused(error)
            | AcquireError::Unfit(error)
            | AcquireError::Timeout { last: Some(error), .. } => error.into(),
            AcquireError::Timeout { last: None, .. } | AcquireError::QueueFull { .. } => {
                Self::Ours(PgError::no_connection(error.to_string()))
            }
            AcquireError::Draining => Self::Ours(PgError::shutting_down()),
        }
    }
}
