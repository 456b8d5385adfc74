//! HTTP/2 with prior knowledge.

use http::{Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use selvedge_front::Settings;
use serde_json::Value;

use crate::client::{Body, full, piece, pieces, read};
use crate::setup::{Door, Runtime};

async fn connection(door: &Door) -> http2::SendRequest<Body> {
    let io = TokioIo::new(door.connect().await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(format!("http://h2.example{path}")).body(body).unwrap()
}

#[tokio::test]
async fn one_connection_carries_requests_at_the_same_time() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let client = connection(&door).await;
    let asked = (0..20).map(|_| {
        let mut client = client.clone();
        async move {
            let response = client.send_request(request("GET", "/slow", full(""))).await.unwrap();
            assert_eq!(response.version(), Version::HTTP_2);
            read(response).await.2
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers, vec!["slow"; 20]);
}

#[tokio::test]
async fn the_authority_is_the_host_and_the_worker_sees_the_protocol() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let response = client.send_request(request("GET", "/head?a=%2F", full(""))).await.unwrap();
    let seen: Value = serde_json::from_str(&read(response).await.2).unwrap();
    assert_eq!(seen["url"], "http://h2.example/head?a=%2F");
    assert_eq!(seen["cf"]["httpProtocol"], "HTTP/2");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let (upload, body) = pieces();
    let response = client.send_request(request("POST", "/echo", body));
    let (response, ()) = tokio::join!(response, async { upload.send("one".into()).await.unwrap() });
    let mut body = response.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "one");
    upload.send("two".into()).await.unwrap();
    assert_eq!(piece(&mut body).await, "two");
    drop(upload);
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_stream_that_is_reset_cancels_its_request_only() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let mut endless = client.send_request(request("GET", "/endless", full(""))).await.unwrap().into_body();
    assert_eq!(piece(&mut endless).await, "line\n");
    drop(endless);
    crate::setup::eventually("the cancellation", async || {
        let response = client.send_request(request("GET", "/cancelled", full(""))).await.unwrap();
        (read(response).await.2 == "1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let door = Door::open(Settings::default()).await;
    let mut client = connection(&door).await;
    let mut big = request("GET", "/", full(""));
    big.headers_mut().insert("x-big", "a".repeat(200 * 1024).parse().unwrap());
    let response = client.send_request(big).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}
