//! Clients that break the rules.

use std::time::Duration;

use selvedge_r2::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Server, get, post, put, read};

#[tokio::test]
async fn xml_that_is_none_or_a_bomb_is_refused() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>\
                <Delete><Object><Key>&b;</Key></Object></Delete>";
    let outside = "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
                   <Delete><Object><Key>&x;</Key></Object></Delete>";
    let deep = "<a>".repeat(100_000);
    for body in [bomb, outside, &deep, "", "<", "<Delete", "\u{0}", "{}", "<Delete><Object></Delete>"] {
        let answer = server.ask(post("/bkt?delete").body(body)).await;
        let shown: String = body.chars().take(20).collect();
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        assert!(!answer.text().contains("root:"), "{}", answer.text());
        for part in ["cors", "lifecycle"] {
            assert_eq!(
                server.ask(put(&format!("/bkt?{part}")).body(body)).await.status,
                400,
                "{part} {shown}"
            );
        }
    }
    let huge = server.ask(post("/bkt?delete").body(vec![b' '; 9 << 20])).await;
    assert_eq!(huge.refusal(), "400 MaxMessageLengthExceeded");
}

#[tokio::test]
async fn a_length_is_what_it_says() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let none = put("/bkt/k")
        .header("transfer-encoding", "chunked")
        .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let mut none = none.sign(&server, &server.key);
    none.body = b"5\r\nhello\r\n0\r\n\r\n".to_vec();
    assert_eq!(server.send(&none).await.refusal(), "411 MissingContentLength");
    // A client that goes away in the middle leaves nothing.
    let signed = put("/bkt/k").body("hello").sign(&server, &server.key).bytes();
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(&signed[..signed.len() - 2]).await.unwrap();
    drop(tcp);
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchKey");
    let large = Limits { put: 10, ..Limits::default() };
    let server = Server::start_with(large, Duration::from_mins(1)).await;
    server.bucket("bkt").await;
    assert_eq!(server.ask(put("/bkt/k").body("more than ten")).await.refusal(), "400 EntityTooLarge");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let server = Server::start_with(Limits::default(), Duration::from_millis(100)).await;
    server.bucket("bkt").await;
    let signed = put("/bkt/k").body("hello").sign(&server, &server.key).bytes();
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(&signed[..signed.len() - 2]).await.unwrap();
    let answer = read(&mut tcp, false).await;
    assert_eq!((answer.refusal().as_str(), answer.header("connection")), ("400 RequestTimeout", "close"));
    // So is a head that stops.
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    tcp.write_all(b"GET / HTT").await.unwrap();
    let mut rest = Vec::new();
    tcp.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 2"));
}

#[tokio::test]
async fn a_refusal_is_heard_by_a_client_that_sends_first() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let body = vec![0; 8 << 20];
    let answer = server.ask(put("/none/k").body(body.clone())).await;
    assert_eq!(answer.refusal(), "404 NoSuchBucket");
    let answer = server.ask(put("/bkt/k").header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==").body(body)).await;
    assert_eq!(answer.refusal(), "400 BadDigest");
}

#[tokio::test]
async fn what_is_not_http_or_not_s3_is_refused() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"GET / HTTP/9.9\r\n\r\n", b"G\0T / HTTP/1.1\r\n\r\n"] {
        let mut tcp = TcpStream::connect(server.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        tcp.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = tcp.read_to_end(&mut answer).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(server.ask(post("/bkt/k")).await.refusal(), "501 NotImplemented");
    assert_eq!(server.ask(crate::support::request("PATCH", "/bkt/k")).await.refusal(), "501 NotImplemented");
    for query in
        ["partNumber=1", "uploadId=x", "partNumber=x&uploadId=y", "partNumber=99999999999&uploadId=y"]
    {
        let answer = server.ask(put(&format!("/bkt/k?{query}")).body("x")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    assert_eq!(
        server.ask(get("/bkt/k")).await.refusal(),
        "404 NoSuchKey",
        "no request about a part makes an object"
    );
    let long = format!("/bkt/k?prefix={}", "x".repeat(100_000));
    assert!(server.ask(get(&long)).await.status >= 400);
    let many = (0..300).fold(get("/bkt/k"), |request, n| request.header(&format!("x-h{n}"), "v"));
    assert!(server.ask(many).await.status >= 400);
}
