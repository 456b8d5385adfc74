//! Answers that the front door gives instead of the runtime.

use std::sync::Arc;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use crate::gate::Refusal;
use crate::headers::COLO_HEADER;
use crate::locations::Colo;
use crate::log::Ticket;
use crate::page::ErrorPage;
use crate::reply::Reply;
use crate::settings::Settings;
use crate::upload::Progress;

/// Why a request is not answered by the runtime.
pub(crate) enum Refused {
    Busy,
    Method,
    Host,
    TooLarge,
    /// The client stopped sending its body.
    Incomplete,
    Gate(Refusal),
    Lost,
    /// The request names none of these.
    Location(Arc<[Colo]>),
}

impl Refused {
    pub(crate) fn response(self, settings: &Settings, html: bool, ticket: Ticket) -> Response<Reply> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        let page = match &self {
            Self::Busy => ErrorPage::new(
                unavailable,
                "Too many requests at one time",
                format!(
                    "{} requests are in progress, which is the limit of this server.",
                    settings.request_limit
                ),
            ),
            Self::Method => ErrorPage::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This is not a proxy",
                "CONNECT asks a proxy for a tunnel; this server only answers requests for its Workers.",
            ),
            Self::Host => ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "The request names no host",
                "A request needs exactly one valid Host header (or :authority in HTTP/2).",
            ),
            Self::TooLarge => ErrorPage::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The request body is too large",
                format!(
                    "This server takes request bodies of up to {} bytes.",
                    settings.body_limit.unwrap_or(u64::MAX)
                ),
            ),
            Self::Incomplete => ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "The request body is incomplete",
                "The body ended before its announced end, or was not framed correctly.",
            ),
            Self::Gate(Refusal::Failed(page)) => (**page).clone(),
            Self::Gate(Refusal::TimedOut) => ErrorPage::new(
                unavailable,
                "The Worker is not running",
                format!(
                    "The request waited {} seconds for the Workers runtime to start. Try again in a moment.",
                    settings.hold.as_secs()
                ),
            ),
            Self::Lost => ErrorPage::new(
                StatusCode::BAD_GATEWAY,
                "The Workers runtime went away",
                "The runtime ended the connection before it answered: it crashed, ran out of memory or was \
                 stopped. Whether the Worker saw the request is unknown, so it was not sent again.",
            ),
            Self::Location(names) => ErrorPage::new(
                StatusCode::BAD_REQUEST,
                "The request names no location of this app",
                format!("{COLO_HEADER} must be one of: {}.", names.join(", ")),
            ),
        };
        let mut response = page.response(html);
        if matches!(self, Self::Busy | Self::Gate(Refusal::TimedOut)) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Reply::log_with(&mut response, ticket);
        response
    }

    /// The runtime's connection is lost, too, when it is the upload that failed.
    pub(crate) fn because_of(self, upload: Option<&Progress>) -> Self {
        match (&self, upload) {
            (Self::Lost, Some(upload)) if upload.over_limit() => Self::TooLarge,
            (Self::Lost, Some(upload)) if upload.client_failed() => Self::Incomplete,
            _ => self,
        }
    }
}
