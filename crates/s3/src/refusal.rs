//! Refusals in S3's words.

use http::{HeaderValue, Response, StatusCode, header};
use s3s::{Body, S3Error, S3ErrorCode};
use selvedge_r2::Error;

use crate::endpoint::XML;

/// A refusal by a code that R2 has and S3 does not, or with another status than S3's.
pub(crate) fn refusal(code: &'static str, status: StatusCode, message: impl Into<String>) -> S3Error {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap_or_else(|| S3ErrorCode::Custom(code.into()));
    let mut error = S3Error::with_message(code, message.into());
    error.set_status_code(status);
    error
}

pub(crate) fn invalid_argument(message: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidArgument, message.into())
}

pub(crate) fn access_denied() -> S3Error {
    S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied")
}

/// R2's answer to nobody, and to a key that it does not know.
pub(crate) fn unauthorized() -> S3Error {
    refusal("Unauthorized", StatusCode::UNAUTHORIZED, "Unauthorized")
}

pub(crate) fn not_implemented(what: impl Into<String>) -> S3Error {
    S3Error::with_message(S3ErrorCode::NotImplemented, what.into())
}

/// A header that R2 refuses rather than ignores.
pub(crate) fn header_not_implemented(name: &str, value: &str) -> S3Error {
    not_implemented(format!("Header '{name}' with value '{value}' not implemented"))
}

pub(crate) fn no_such_key() -> S3Error {
    of(Error::NoSuchKey)
}

/// What the engine refused, as S3 says it.
pub(crate) fn of(error: Error) -> S3Error {
    if error.is_internal() {
        return internal(error);
    }
    let code = match &error {
        // What S3 says, and what clients wait for.
        Error::BucketConflict => "BucketAlreadyOwnedByYou",
        error => error.s3_code(),
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    refusal(code, status, error.message())
}

fn internal(error: Error) -> S3Error {
    match error {
        // The binding tells of these as internal errors, and S3 has words for them.
        Error::UnknownUpload => of(Error::NoSuchUpload),
        Error::RepeatedPart => S3Error::with_message(
            S3ErrorCode::InvalidPartOrder,
            "The list of parts was not in ascending order. Parts list must be specified in order by part number.",
        ),
        Error::Stopping => {
            refusal("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE, "The service is stopping.")
        }
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "an S3 request failed");
            S3Error::with_message(S3ErrorCode::InternalError, error.message())
        }
    }
}

/// An error as a response, where `s3s` is not asked.
pub(crate) fn response(error: S3Error) -> Response<Body> {
    let status = error.status_code().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    error.to_http_response().unwrap_or_else(|failed| {
        tracing::error!(error = ?failed.source(), "an S3 error could not be written");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response
    })
}

/// Makes of what `s3s` answers what R2 answers: a part of an object is a 206 to `HEAD` too, a 304 has no body, and an
/// error has words and the request's id. `sent` is how many bytes of body were announced.
pub(crate) fn finish(response: &mut Response<Body>, id: &str, sent: u64) {
    if response.status() == StatusCode::OK && response.headers().contains_key(header::CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return;
    }
    let Some(bytes) = response.body().bytes() else { return };
    let Some(code) = std::str::from_utf8(&bytes).ok().and_then(|text| between(text, "<Code>", "</Code>"))
    else {
        return;
    };
    let has_words = bytes.windows(9).any(|window| window == b"<Message>");
    match code {
        "KeyTooLongError" => replace(response, of(Error::InvalidObjectName)),
        // Not ours, which have words: the body of an XML request could not be read.
        "InternalError" if !has_words && sent > XML => replace(
            response,
            S3Error::with_message(S3ErrorCode::MaxMessageLengthExceeded, "Your request was too big."),
        ),
        "InternalError" if !has_words => replace(response, of(Error::IncompleteBody)),
        _ => {}
    }
    let Some(bytes) = response.body().bytes() else { return };
    let Ok(text) = std::str::from_utf8(&bytes) else { return };
    let Some((head, tail)) = text.split_once("</Code>") else { return };
    let code = head.rsplit_once("<Code>").map_or("", |(_, code)| code);
    let message = if tail.contains("<Message>") { "" } else { words(code) };
    let message = if message.is_empty() { String::new() } else { format!("<Message>{message}</Message>") };
    let tail = tail.replace("</Error>", "");
    let text = format!("{head}</Code>{message}{tail}<RequestId>{id}</RequestId></Error>");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    *response.body_mut() = Body::from(text);
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once(end).map(|(found, _)| found)
}

fn replace(response: &mut Response<Body>, error: S3Error) {
    let headers = std::mem::take(response.headers_mut());
    *response = self::response(error);
    for (name, value) in &headers {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
}

fn words(code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your secret access \
             key and signing method."
        }
        "InvalidBucketName" => "The specified bucket name is not valid.",
        "InvalidURI" => "Could not parse the specified URI.",
        "NotImplemented" => "The operation is not implemented.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header."
        }
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema."
        }
        "MaxMessageLengthExceeded" => "Your request was too big.",
        "InternalError" => "We encountered an internal error. Please try again.",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        _ => "",
    }
}
