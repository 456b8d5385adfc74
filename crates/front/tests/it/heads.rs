//! Methods, targets, headers: what the Worker sees of a request and the client of an answer.

use http::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{connection, fetch, full, get, raw, read, read_answer, request};
use crate::setup::{Door, Runtime, Stand, answer, hang_up, read_head};

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut client = connection(&door).await;
    for _ in 0..20 {
        client.ready().await.unwrap();
        let response = client.send_request(request("GET", "/hello", full(""))).await.unwrap();
        assert_eq!(read(response).await.2, "hello");
    }
    let lines = door.log.lines(20).await;
    assert!(lines.iter().all(|line| *line == ("GET /hello".to_owned(), Some(StatusCode::OK), 5, true)));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut stream = door.connect().await;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(format!("{}{}", ask("/slow"), ask("/hello")).as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.1, "slow");
    assert_eq!(read_answer(&mut stream).await.1, "hello");
}

#[tokio::test]
async fn a_target_arrives_byte_for_byte() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    for (sent, seen) in [
        ("/a%2Fb/../c//d;e?x=%20+&&y={}|\\^[]`", "/a%2Fb/../c//d;e?x=%20+&&y={}|\\^[]`"),
        ("/{\"json\":1}/\u{e9}?\u{e9}", "/{\"json\":1}/\u{e9}?\u{e9}"),
        ("//double", "//double"),
        ("/?", "/?"),
        ("http://b.example", "/"),
        ("http://b.example:80/p?q", "/p?q"),
    ] {
        let mut client = door.connect().await;
        let head = format!("GET {sent} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut runtime = stand.accept().await;
        let head = read_head(&mut runtime).await;
        assert_eq!(head.lines().next().unwrap(), format!("GET {seen} HTTP/1.1"));
        // The absolute form outranks the header.
        let host = sent.strip_prefix("http://").map_or("a.example", |rest| rest.split('/').next().unwrap());
        assert!(head.contains(&format!("host: {host}\r\n")), "{head}");
        answer(&mut runtime, "ok").await;
        assert_eq!(read_answer(&mut client).await.1, "ok");
        hang_up(runtime).await;
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut stream = door.connect().await;
    let mut heads = Vec::new();
    for (method, path) in [("HEAD", "/hello"), ("GET", "/empty"), ("GET", "/unchanged"), ("HEAD", "/echo")] {
        let ask = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        heads.push(read_head(&mut stream).await);
    }
    // Had one of them had a body, it would be in the way here.
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.1, "hello");
    assert!(heads[0].contains("content-length: 5\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("HTTP/1.1 204 No Content\r\n"), "{}", heads[1]);
    assert!(heads[2].starts_with("HTTP/1.1 304 Not Modified\r\n"), "{}", heads[2]);
    for head in &heads[1..] {
        assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn every_header_of_an_answer_arrives() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let (_, headers, _) = get(&door, "/cookies").await;
    assert_eq!(headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert!(headers["cf-ray"].to_str().unwrap().ends_with("-DEV"));
    assert!(headers.contains_key("date"));
}

#[tokio::test]
async fn the_worker_sees_who_the_client_is_and_not_what_it_claims() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut asked = request("GET", "/head?x=1", full(""));
    for (name, value) in [
        ("cf-connecting-ip", "6.6.6.6"),
        ("cf-ipcountry", "ZZ"),
        ("x-real-ip", "6.6.6.6"),
        ("x-forwarded-for", "198.51.100.1"),
        ("x-selvedge-cf", r#"{"colo":"BAD"}"#),
        ("true-client-ip", "6.6.6.6"),
        ("accept-encoding", "gzip, br"),
    ] {
        asked.headers_mut().insert(name, value.parse().unwrap());
    }
    let (_, headers, body) = fetch(&door, asked).await;
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(seen["url"], "http://a.example/head?x=1");
    let header = |name: &str| {
        let mut values = seen["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == name);
        let value = values.next().map(|pair| pair[1].as_str().unwrap().to_owned());
        assert!(values.next().is_none(), "{name} comes twice");
        value
    };
    assert_eq!(header("cf-connecting-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(header("x-real-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(header("x-forwarded-for").as_deref(), Some("198.51.100.1,127.0.0.1"));
    assert_eq!(header("cf-ipcountry").as_deref(), Some("XX"));
    assert_eq!(header("cf-visitor").as_deref(), Some(r#"{"scheme":"http"}"#));
    assert_eq!(header("true-client-ip"), None);
    assert_eq!(header("x-selvedge-cf"), None, "the runtime takes it out");
    assert_eq!(header("cf-ray").as_deref(), headers["cf-ray"].to_str().ok());
    assert_eq!(seen["cf"]["colo"], "DEV");
    assert_eq!(seen["cf"]["httpProtocol"], "HTTP/1.1");
    assert_eq!(seen["cf"]["clientAcceptEncoding"], "gzip, br");
    assert_eq!(seen["cf"]["botManagement"]["verifiedBot"], false);
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let answer = raw(&door, "GET /hello HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let door = Door::open(selvedge_front::Settings::default()).await;
    for (sent, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", "400"),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n", "405"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"),
    ] {
        let answer = raw(&door, sent).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent:?}: {answer}");
    }
}

#[tokio::test]
async fn two_ways_to_say_how_long_a_body_is_do_not_smuggle_a_request() {
    let stand = Stand::new();
    let door = Door::open(selvedge_front::Settings::default()).await;
    door.upstream.serve_from(stand.socket.clone());
    for lengths in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let mut client = door.connect().await;
        let sent = format!("POST / HTTP/1.1\r\nHost: a\r\n{lengths}\r\n\r\n8\r\n12345678\r\n0\r\n\r\n");
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut runtime = stand.accept().await;
        let head = read_head(&mut runtime).await;
        assert!(
            head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"),
            "{head}"
        );
        let mut body = [0; 18];
        runtime.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"8\r\n12345678\r\n0\r\n\r\n");
        answer(&mut runtime, "ok").await;
        assert_eq!(read_answer(&mut client).await.1, "ok");
        hang_up(runtime).await;
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut stream = door.connect().await;
    let head = "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    assert_eq!(read_answer(&mut stream).await.1, "4");
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_an_ordinary_request() {
    let runtime = Runtime::start().await;
    let door = Door::before(&runtime).await;
    let mut stream = door.connect().await;
    let head = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.1, "hello");
    let mut rest = [0; 1];
    assert!(tokio::time::timeout(std::time::Duration::ZERO, stream.read(&mut rest)).await.is_err());
}
