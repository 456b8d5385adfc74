//! The body of an upload, on its way to the engine.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::refusal;

/// A body, and the first thing that was wrong with it.
pub(crate) struct Upload {
    body: Option<StreamingBlob>,
    fault: Fault,
}

/// Why a body ended before its end. The engine only hears that it did.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<String>>>);

impl Upload {
    pub(crate) fn new(body: Option<StreamingBlob>) -> (Self, Fault) {
        let fault = Fault::default();
        (Self { body, fault: fault.clone() }, fault)
    }
}

/// Bytes of a body, which has to say how many they are. One in chunks of both kinds, as SDKs send streams, says so
/// in S3's own header alone.
pub(crate) fn size(length: Option<i64>, headers: &HeaderMap) -> S3Result<u64> {
    let decoded = || headers.get("x-amz-decoded-content-length")?.to_str().ok()?.parse().ok();
    let length = length.or_else(decoded);
    let missing = || {
        S3Error::with_message(
            S3ErrorCode::MissingContentLength,
            "You must provide the Content-Length HTTP header.",
        )
    };
    u64::try_from(length.ok_or_else(missing)?)
        .map_err(|_| refusal::invalid_argument("Content-Length is not a number of bytes"))
}

impl Stream for Upload {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        Poll::Ready(match ready!(Pin::new(body).poll_next(context)) {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            Some(Err(error)) => {
                let mut fault = self.fault.0.lock().unwrap_or_else(PoisonError::into_inner);
                fault.get_or_insert_with(|| error.to_string());
                Some(Err(io::Error::other("the body is not whole")))
            }
            None => None,
        })
    }
}

impl Fault {
    /// What to answer when the engine did not take the body.
    pub(crate) fn explain(&self, error: selvedge_r2::Error) -> S3Error {
        let fault = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault.as_deref() {
            // The texts are those of `s3s`, which does not show the types.
            Some(fault) if fault.contains("Sha256Mismatch") => S3Error::with_message(
                S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
            .status_400(),
            Some(fault) if fault.contains("SignatureMismatch") => S3Error::with_message(
                S3ErrorCode::SignatureDoesNotMatch,
                "The signature of a chunk of the body does not match.",
            ),
            Some(fault) if fault.contains("FormatError") || fault.contains("TooLarge") => {
                refusal::invalid_argument(
                    "The body is not in the aws-chunked format that its headers announce.",
                )
            }
            _ => refusal::of(error),
        }
    }
}

trait Status400 {
    fn status_400(self) -> Self;
}

impl Status400 for S3Error {
    fn status_400(mut self) -> Self {
        self.set_status_code(http::StatusCode::BAD_REQUEST);
        self
    }
}
