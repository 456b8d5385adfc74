//! The page for an exception.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::StatusCode;
use selvedge_front::{ExceptionDetails, Pages, RequestSummary, Settings};

use crate::client::{fetch, full, get, request};
use crate::setup::{Door, Runtime};

/// Knows one exception, or none.
struct Reporter {
    known: Option<ExceptionDetails>,
    asked: Mutex<Vec<String>>,
}

impl Pages for Reporter {
    fn exception<'a>(&'a self, request: &'a RequestSummary) -> BoxFuture<'a, Option<ExceptionDetails>> {
        async {
            let asked = format!("{} {}{}", request.method, request.host, request.target);
            self.asked.lock().unwrap().push(asked);
            self.known.clone()
        }
        .boxed()
    }
}

async fn door(runtime: &Runtime, known: bool) -> (Door, Arc<Reporter>) {
    let known = known.then(|| ExceptionDetails {
        message: "TypeError: x is not <a function>".to_owned(),
        stack: "    at fetch (src/index.ts:3:9)".to_owned(),
    });
    let reporter = Arc::new(Reporter { known, asked: Mutex::default() });
    let door = Door::with_pages(Settings::default(), Some(Arc::clone(&reporter) as Arc<dyn Pages>)).await;
    door.upstream.serve_from(runtime.socket.clone());
    (door, reporter)
}

#[tokio::test]
async fn an_exception_is_shown_as_a_page_to_a_browser_and_as_text_to_others() {
    let runtime = Runtime::start().await;
    let (door, reporter) = door(&runtime, true).await;
    let mut asked = request("GET", "/throw?a=1", full(""));
    asked.headers_mut().insert("accept", "text/html,*/*".parse().unwrap());
    let (status, headers, page) = fetch(&door, asked).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(page.contains("TypeError: x is not &lt;a function&gt;"), "{page}");
    assert!(page.contains("at fetch (src/index.ts:3:9)"), "{page}");

    let (status, headers, text) = get(&door, "/throw").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert!(text.starts_with("TypeError: x is not <a function>\n"), "{text}");
    assert!(text.contains("at fetch (src/index.ts:3:9)"), "{text}");

    let (status, _, text) = fetch(&door, request("HEAD", "/throw", full(""))).await;
    assert_eq!((status, text.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, ""));
    let asked = reporter.asked.lock().unwrap().clone();
    assert_eq!(asked, ["GET a.example/throw?a=1", "GET a.example/throw", "HEAD a.example/throw"]);
    assert_eq!(door.log.lines(3).await.len(), 3);
}

#[tokio::test]
async fn what_is_no_exception_or_not_known_is_left_alone() {
    let runtime = Runtime::start().await;
    let (door, reporter) = door(&runtime, false).await;
    let (status, _, text) = get(&door, "/throw").await;
    assert_eq!((status, text.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
    let (status, headers, text) = get(&door, "/own500").await;
    assert_eq!((status, text.as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"));
    assert_eq!(headers["content-type"], "text/plain;charset=UTF-8");
    assert_eq!(reporter.asked.lock().unwrap().len(), 1);
}
