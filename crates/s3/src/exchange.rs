//! One request, from the wire to the answer.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use s3s::service::S3Service;
use s3s::{Body, HttpError, S3Error, S3ErrorCode};
use selvedge_base::{SharedClock, random_hex};
use tokio::sync::Semaphore;

use crate::body::Patient;
use crate::call::Call;
use crate::cors::Cors;
use crate::{guard, refusal, time};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");

/// What every request of an endpoint shares.
pub(crate) struct Exchange {
    pub(crate) service: S3Service,
    pub(crate) cors: Cors,
    pub(crate) clock: SharedClock,
    /// How long a body may pause.
    pub(crate) patience: Duration,
    /// Turns for forms; `None` when they are not taken.
    pub(crate) forms: Option<Semaphore>,
    pub(crate) ids: RequestIds,
}

impl Exchange {
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let sent = request.body().size_hint().lower();
        let mut response = self.respond(request).await?;
        let id = self.ids.next();
        refusal::finish(&mut response, &id, sent);
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        Ok(response)
    }

    async fn respond(&self, mut request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        if request.method() == Method::OPTIONS {
            return Ok(self.cors.preflight(&request).await);
        }
        date_from_http(request.headers_mut());
        let token = match guard::check(request.method(), request.uri(), request.headers(), self.clock.now()) {
            Ok(token) => token,
            Err(no) => return Ok(refusal::response(no)),
        };
        let _turn = match (&self.forms, is_form(&request)) {
            (_, false) => None,
            (Some(turns), true) => turns.acquire().await.ok(),
            // Before anybody reads it: `s3s` would hold all of it in memory to see who sent it.
            (None, true) => {
                let no = refusal::not_implemented("Uploads by HTML forms are not implemented.");
                return Ok(refusal::response(no));
            }
        };
        let page = self.cors.page(&request);
        let ran_out = Arc::new(AtomicBool::new(false));
        let asked_first = expects_continue(request.headers());
        let request = request.map(|body| {
            Body::http_body(Patient::new(body, self.patience, Arc::clone(&ran_out), asked_first))
        });
        let mut response = Call::new(token).answer(self.service.call(request)).await?;
        if let Some(page) = page {
            self.cors.answer(&page, &mut response).await;
        }
        if ran_out.load(Ordering::Relaxed) && !response.status().is_success() {
            return Ok(timed_out());
        }
        Ok(response)
    }
}

/// A signature may be of the time in `Date` when there is no `x-amz-date`, which is where `s3s` looks.
fn date_from_http(headers: &mut HeaderMap) {
    const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
    let signed = headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(AMZ_DATE);
    let date = headers.get(header::DATE).filter(|_| signed).and_then(|date| date.to_str().ok());
    let date = date.and_then(time::http_date).and_then(time::to_amz_date);
    if let Some(Ok(date)) = date.map(HeaderValue::try_from) {
        headers.insert(AMZ_DATE, date);
    }
}

fn is_form<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    request.method() == Method::POST
        && kind.get(..19).is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/form-data"))
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn timed_out() -> Response<Body> {
    let mut error = S3Error::with_message(
        S3ErrorCode::RequestTimeout,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    );
    error.set_status_code(StatusCode::BAD_REQUEST);
    let mut response = refusal::response(error);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Ids that say which run of the endpoint a request came to, and its place there.
pub(crate) struct RequestIds {
    run: String,
    last: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new(clock: &SharedClock) -> Self {
        Self { run: random_hex(&**clock, 4), last: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let mut id = self.run.clone();
        let _ = write!(id, "{:08x}", self.last.fetch_add(1, Ordering::Relaxed));
        id
    }
}
