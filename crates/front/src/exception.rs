//! A page for an exception that nobody caught.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;

use crate::page::ErrorPage;
use crate::pages::{Pages, RequestSummary};
use crate::reply::Reply;

/// What the runtime says when a Worker threw: without a content type, and closing the connection.
const BARE: &[u8] = b"Internal Server Error";

/// Whether this is the runtime's own 500. A Worker's has a content type and does not close.
pub(crate) fn looks_like_one(response: &Response<Reply>) -> bool {
    let headers = response.headers();
    response.status() == StatusCode::INTERNAL_SERVER_ERROR
        && headers.len() == 2
        && headers.contains_key(CONNECTION)
        && headers.get(CONTENT_LENGTH).is_some_and(|length| length == "21")
        && !headers.contains_key(CONTENT_TYPE)
}

/// Replaces the runtime's answer by one that says what was thrown, if that is known.
pub(crate) async fn explain(
    pages: &dyn Pages,
    response: Response<Reply>,
    host: &HeaderValue,
    ray: &HeaderValue,
    html: bool,
) -> Response<Reply> {
    let (head, mut body) = response.into_parts();
    let Some(mut ticket) = body.take_ticket() else { return Response::from_parts(head, body) };
    let bytes = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    ticket.bytes = 0;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = RequestSummary {
        method: ticket.method.clone(),
        host: text(host),
        target: ticket.target().to_owned(),
        ray: text(ray),
    };
    // The answer to HEAD has no body to look at.
    let details = match &*bytes {
        BARE | b"" => pages.exception(&request).await,
        _ => None,
    };
    let mut explained = match details {
        Some(details) => ErrorPage {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: details.message,
            message: format!("{} {} threw an exception that nobody caught.", request.method, request.target),
            details: Some(details.stack).filter(|stack| !stack.is_empty()),
        }
        .response(html),
        None => Response::from_parts(head, Reply::text(bytes)),
    };
    Reply::log_with(&mut explained, ticket);
    explained
}
