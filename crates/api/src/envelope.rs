//! What every JSON answer is wrapped in: `{success, result, errors, messages, result_info}`.

use std::io;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use serde_json::{Value, json};

/// The body of a request to the API, and of its answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A refusal: the HTTP status, Cloudflare's error code and a text for people.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) code: u32,
    pub(crate) message: String,
}

pub(crate) type Outcome = Result<Response<Body>, Refused>;

impl Refused {
    pub(crate) fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10001, message)
    }

    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, 7000, "No route for that URI")
    }

    /// An engine failed; the text is the error's and its causes'.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let message = selvedge_base::on_one_line(error);
        tracing::error!(error = %message, "an API request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 10002, message)
    }

    pub(crate) fn reply(&self) -> Response<Body> {
        let error = json!({ "code": self.code, "message": self.message });
        let body = json!({ "success": false, "errors": [error], "messages": [], "result": null });
        json_reply(self.status, body.to_string())
    }
}

/// What the catalog fails with.
impl From<selvedge_sqlite::Error> for Refused {
    fn from(error: selvedge_sqlite::Error) -> Self {
        Self::internal(&error)
    }
}

/// `result` as a success.
pub(crate) fn success(result: impl Serialize) -> Outcome {
    with_info(result, None)
}

/// `result` as a success, with `result_info` for paging.
pub(crate) fn with_info(result: impl Serialize, info: Option<Value>) -> Outcome {
    #[derive(Serialize)]
    struct Envelope<T> {
        success: bool,
        errors: [(); 0],
        messages: [(); 0],
        result: T,
        #[serde(skip_serializing_if = "Option::is_none")]
        result_info: Option<Value>,
    }
    let envelope = Envelope { success: true, errors: [], messages: [], result, result_info: info };
    let body = serde_json::to_vec(&envelope).map_err(|error| Refused::internal(&error))?;
    Ok(json_reply(StatusCode::OK, body))
}

/// One page of `all`, by the `page` and `per_page` that were asked for. A page past the end is empty, which is
/// how wrangler's pager knows that it has everything.
pub(crate) fn paged<T: Serialize>(all: &[T], page: usize, per_page: usize) -> Outcome {
    let per_page = per_page.clamp(1, 1000);
    let start = page.saturating_sub(1).saturating_mul(per_page).min(all.len());
    let rows = &all[start..(start + per_page).min(all.len())];
    let info = json!({
        "page": page.max(1), "per_page": per_page, "count": rows.len(), "total_count": all.len(),
    });
    with_info(rows, Some(info))
}

fn json_reply(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
