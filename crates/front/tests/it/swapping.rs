//! One runtime process after another, and none at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use selvedge_front::{ErrorPage, Settings};
use tokio::io::AsyncWriteExt as _;

use crate::client::{connection, full, get, read, request};
use crate::setup::{Door, Runtime, Stand, answer, eventually, read_head};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_in_a_loop_of_swaps() {
    let mut runtime = Runtime::named("0").await;
    let door = Arc::new(Door::before(&runtime).await);
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let (door, over, answered) = (Arc::clone(&door), Arc::clone(&over), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut client = connection(&door).await;
                while !over.load(Ordering::Relaxed) {
                    client.ready().await.unwrap();
                    let asked = if number % 2 == 0 {
                        request("GET", "/name", full(""))
                    } else {
                        request("POST", "/count", full("12345"))
                    };
                    let (status, _, text) = read(client.send_request(asked).await.unwrap()).await;
                    assert_eq!(status, StatusCode::OK, "{text}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 1..=8 {
        let before = answered.load(Ordering::Relaxed);
        eventually("answers", async || (answered.load(Ordering::Relaxed) > before + 50).then_some(())).await;
        assert_eq!(door.upstream.hold(Duration::from_mins(1)).await, 0);
        // As with Durable Objects: the old process is gone before the new one starts.
        runtime.kill();
        runtime = Runtime::named(&round.to_string()).await;
        door.upstream.serve_from(runtime.socket.clone());
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(get(&door, "/name").await.2, "8");
}

#[tokio::test]
async fn a_hold_waits_for_requests_in_progress_and_says_which_remain() {
    let stand = Stand::new();
    let door = Door::open(Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let mut client = connection(&door).await;
    let asked =
        tokio::spawn(
            async move { read(client.send_request(request("GET", "/", full(""))).await.unwrap()).await },
        );
    let mut runtime = stand.accept().await;
    read_head(&mut runtime).await;
    assert_eq!(door.upstream.hold(Duration::from_millis(20)).await, 1);
    answer(&mut runtime, "late").await;
    assert_eq!(asked.await.unwrap().2, "late");
}

#[tokio::test]
async fn a_held_request_goes_to_the_next_runtime() {
    let (first, second) = (Stand::new(), Stand::new());
    let door = Door::open(Settings::default()).await;
    door.upstream.serve_from(first.socket.clone());
    assert_eq!(door.upstream.hold(Duration::ZERO).await, 0);
    let serve = async {
        let mut runtime = second.accept().await;
        read_head(&mut runtime).await;
        answer(&mut runtime, "second").await;
        runtime
    };
    let ((_, _, text), _runtime, ()) = tokio::join!(get(&door, "/"), serve, async {
        tokio::task::yield_now().await;
        door.upstream.serve_from(second.socket.clone());
    });
    assert_eq!(text, "second");
}

#[tokio::test]
async fn a_request_held_for_too_long_is_told_to_come_back() {
    let door = Door::open(Settings { hold: Duration::from_millis(20), ..Settings::default() }).await;
    let (status, headers, text) = get(&door, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert_eq!(headers["retry-after"], "1");
}

#[tokio::test]
async fn a_failed_start_is_shown_until_something_serves() {
    let runtime = Runtime::start().await;
    let door = Door::open(Settings::default()).await;
    let page = ErrorPage {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        title: "The Worker could not be built".to_owned(),
        message: "1 error".to_owned(),
        details: Some("src/index.ts:1:1".to_owned()),
    };
    let ((status, _, text), ()) = tokio::join!(get(&door, "/hello"), async {
        tokio::task::yield_now().await;
        door.upstream.fail(page);
    });
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("could not be built") && text.contains("src/index.ts:1:1"), "{text}");
    door.upstream.serve_from(runtime.socket.clone());
    assert_eq!(get(&door, "/hello").await.2, "hello");
}

#[tokio::test]
async fn a_runtime_that_dies_answers_502_and_its_successor_the_rest() {
    let mut runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    assert_eq!(get(&door, "/hello").await.2, "hello");
    let mut client = connection(&door).await;
    let hanging =
        tokio::spawn(async move { client.send_request(request("GET", "/hang", full(""))).await.unwrap() });
    eventually("the request", async || (get(&door, "/hanging").await.2 == "1").then_some(())).await;
    runtime.kill();
    let (status, _, text) = read(hanging.await.unwrap()).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(text.contains("runtime went away"), "{text}");

    // Now nobody listens: requests wait for the next one.
    let next = Runtime::start().await;
    let ((_, _, text), ()) = tokio::join!(get(&door, "/hello"), async {
        tokio::task::yield_now().await;
        door.upstream.serve_from(next.socket.clone());
    });
    assert_eq!(text, "hello");
}

#[tokio::test]
async fn a_request_on_a_connection_closed_while_idle_is_sent_on_another() {
    let stand = Stand::new();
    let door = Door::open(Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    for _ in 0..3 {
        let serve = async {
            let mut runtime = stand.accept().await;
            read_head(&mut runtime).await;
            // Promises to stay, and does not.
            answer(&mut runtime, "ok").await;
        };
        let ((status, _, text), ()) = tokio::join!(get(&door, "/"), serve);
        assert_eq!((status, text.as_str()), (StatusCode::OK, "ok"));
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let stand = Stand::new();
    let door = Door::open(Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    let serve = async {
        let mut runtime = stand.accept().await;
        for text in ["one", "two", "three"] {
            read_head(&mut runtime).await;
            if text == "two" {
                runtime
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n")
                    .await
                    .unwrap();
            } else {
                answer(&mut runtime, text).await;
            }
        }
    };
    let ask = async {
        for expected in ["one", "two", "three"] {
            assert_eq!(get(&door, "/").await.2, expected);
        }
    };
    tokio::join!(serve, ask);
}
