//! How large and how many.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use selvedge_front::Settings;
use tokio::io::AsyncWriteExt as _;

use crate::client::{connection, fetch, full, get, pieces, raw, read, read_answer, request};
use crate::setup::{Door, Runtime, Stand, read_head};

#[tokio::test]
async fn a_head_may_be_as_large_as_the_limit_and_no_larger() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let with = |bytes: usize| {
        let mut asked = request("GET", "/hello", full(""));
        asked.headers_mut().insert("x-big", "a".repeat(bytes).parse().unwrap());
        asked
    };
    assert_eq!(fetch(&door, with(100 * 1024)).await.2, "hello");
    assert_eq!(fetch(&door, with(128 * 1024)).await.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let door = Door::open(Settings::default()).await;
    let mut head = String::from("GET / HTTP/1.1\r\nHost: a\r\n");
    for number in 0..200 {
        write!(head, "x-{number}: 1\r\n").unwrap();
    }
    head.push_str("\r\n");
    let answer = raw(&door, &head).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

async fn small(runtime: &Runtime) -> Door {
    let door = Door::open(Settings { body_limit: Some(100_000), ..Settings::default() }).await;
    door.upstream.serve_from(runtime.socket.clone());
    door
}

#[tokio::test]
async fn a_body_declared_too_large_is_refused_unread() {
    let runtime = Runtime::start().await;
    let door = small(&runtime).await;
    assert_eq!(fetch(&door, request("POST", "/count", full(vec![0; 100_000]))).await.2, "100000");

    // The client waits for a go-ahead that does not come.
    let mut stream = door.connect().await;
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 413 "));

    // The client does not wait. It is let finish, or it might see its connection break before it sees the answer.
    let mut stream = door.connect().await;
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (head, text) = read_answer(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413 ") && text.contains("up to 100000 bytes"), "{head}{text}");
    for _ in 0..30 {
        stream.write_all(&vec![0; 100_000]).await.unwrap();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused() {
    let runtime = Runtime::start().await;
    let door = small(&runtime).await;
    let (upload, body) = pieces();
    let mut client = connection(&door).await;
    let response = client.send_request(request("POST", "/count", body));
    let feed = async {
        for _ in 0..3 {
            let _ = upload.send(vec![0; 50_000].into()).await;
        }
        // It never says that it is done.
        std::future::pending::<()>().await;
    };
    let response = tokio::select! { response = response => response.unwrap(), () = feed => unreachable!() };
    let (status, _, text) = read(response).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
    assert_eq!(get(&door, "/hello").await.2, "hello");
}

#[tokio::test]
async fn more_requests_at_one_time_than_allowed_are_refused() {
    let stand = Stand::new();
    let door = Door::open(Settings { request_limit: 1, ..Settings::default() }).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut first = connection(&door).await;
    let first = tokio::spawn(async move { first.send_request(request("GET", "/", full(""))).await });
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    let (status, headers, text) = get(&door, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert_eq!(headers["retry-after"], "1");
    crate::setup::answer(&mut runtime, "ok").await;
    assert_eq!(read(first.await.unwrap().unwrap()).await.2, "ok");
    assert_eq!(door.log.lines(2).await.len(), 2);
}

#[tokio::test]
async fn many_at_once_all_get_through() {
    let runtime = Runtime::start().await;
    let door = Door::open(Settings { hold: Duration::from_mins(1), ..Settings::default() }).await;
    door.upstream.serve_from(runtime.socket.clone());
    let asked = (0..300).map(|_| async { get(&door, "/slow").await.2 });
    assert_eq!(futures_util::future::join_all(asked).await, vec!["slow"; 300]);
}
