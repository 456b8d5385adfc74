//! Bodies that are never whole in one place.

use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{connection, fetch, full, get, piece, pieces, request};
use crate::setup::{Door, Runtime, Stand, eventually, read_head};

#[tokio::test]
async fn an_answer_that_never_ends_arrives_as_it_is_made() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = connection(&door).await;
    let asked =
        tokio::spawn(async move { client.send_request(request("GET", "/", full(""))).await.unwrap() });
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    runtime.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let mut body = asked.await.unwrap().into_body();
    for _ in 0..50 {
        runtime.write_all(b"5\r\nhello\r\n").await.unwrap();
        assert_eq!(piece(&mut body).await, "hello");
    }
    drop(body);
    assert_eq!(runtime.read(&mut [0; 1]).await.unwrap(), 0, "the runtime learns that nobody listens");
    let lines = door.log.lines(1).await;
    assert_eq!(lines, [("GET /".to_owned(), Some(StatusCode::OK), 250, false)]);
}

#[tokio::test]
async fn an_upload_reaches_the_worker_as_it_is_sent() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let (upload, body) = pieces();
    let response = client.send_request(request("POST", "/echo", body));
    let (response, ()) = tokio::join!(response, async { upload.send("one".into()).await.unwrap() });
    let mut body = response.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "one");
    for text in ["two", "three"] {
        upload.send(text.into()).await.unwrap();
        assert_eq!(piece(&mut body).await, text);
    }
    drop(upload);
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn large_bodies_arrive_whole() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let bytes: Vec<u8> = (0..10_000_000_u32).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect();
    let (_, _, text) = fetch(&door, request("PUT", "/echo", full(bytes.clone()))).await;
    assert!(text.as_bytes() == bytes);
}

#[tokio::test]
async fn an_early_answer_does_not_stop_the_upload() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let (upload, body) = pieces();
    let mut answer = client.send_request(request("POST", "/both", body)).await.unwrap().into_body();
    assert_eq!(piece(&mut answer).await, "started\n");
    for _ in 0..20 {
        upload.send(vec![0; 100_000].into()).await.unwrap();
    }
    drop(upload);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "read 2000000\n");
}

#[tokio::test]
async fn a_worker_may_ignore_the_body() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    for bytes in [0, 10, 100_000, 3_000_000] {
        let (status, _, text) = fetch(&door, request("POST", "/early", full(vec![0; bytes]))).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "early"), "{bytes} bytes");
    }
    assert_eq!(get(&door, "/hello").await.2, "hello");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    let mut body = client.send_request(request("GET", "/endless", full(""))).await.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "line\n");
    drop((body, client));
    eventually("the cancellation", async || (get(&door, "/cancelled").await.2 == "1").then_some(())).await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_cancels_its_request() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = door.connect().await;
    client.write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    drop(client);
    assert_eq!(runtime.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(door.log.lines(1).await, [("GET /hang".to_owned(), None, 0, false)]);
}

#[tokio::test]
async fn an_upload_that_breaks_off_reaches_the_worker_as_broken() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = door.connect().await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    let mut runtime = stand.accept().await;
    let head = read_head(&mut runtime).await;
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    drop(client);
    let mut rest = Vec::new();
    runtime.read_to_end(&mut rest).await.unwrap();
    assert!(rest == b"half" || rest.is_empty(), "never more than was sent");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = connection(&door).await;
    let asked =
        tokio::spawn(async move { client.send_request(request("GET", "/", full(""))).await.unwrap() });
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    runtime.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await.unwrap();
    let mut body = asked.await.unwrap().into_body();
    assert_eq!(piece(&mut body).await, "hello");
    drop(runtime);
    assert!(body.collect().await.is_err());
    let lines = door.log.lines(1).await;
    assert!(!lines[0].3, "{lines:?}");
}
