//! Bodies in the aws-chunked form.

use std::fmt::Write as _;

use selvedge_base::Clock as _;
use sha2::{Digest as _, Sha256};

use crate::support::{Request, Server, amz_date, get, hmac, put, scope, signing_key};

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A body of signed chunks, and a trailer when there is one.
fn signed(server: &Server, chunks: &[&str], trailer: Option<(&str, &str)>) -> Request {
    let date = amz_date(server.clock.now().secs());
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let kind = if trailer.is_some() { "-TRAILER" } else { "" };
    let mut request = put("/bkt/k")
        .header("x-amz-content-sha256", format!("STREAMING-AWS4-HMAC-SHA256-PAYLOAD{kind}"))
        .header("x-amz-decoded-content-length", length.to_string())
        .header("content-encoding", "aws-chunked");
    if let Some((name, _)) = trailer {
        request = request.header("x-amz-trailer", name);
    }
    request = request.sign_at(&date, &server.key.id, &server.key.secret);
    let authorization = &request.headers.iter().find(|(name, _)| name == "authorization").unwrap().1;
    let mut before = authorization.rsplit('=').next().unwrap().to_owned();
    let key = signing_key(&date, &server.key.secret);
    let sign = |kind: &str, text: &str| {
        hex::encode(hmac(&key, &format!("AWS4-HMAC-SHA256-{kind}\n{date}\n{}\n{text}", scope(&date))))
    };
    let mut body = String::new();
    for chunk in chunks.iter().chain(&[""]) {
        let hash = hex::encode(Sha256::digest(chunk));
        before = sign("PAYLOAD", &format!("{before}\n{EMPTY}\n{hash}"));
        let _ = write!(body, "{:x};chunk-signature={before}\r\n{chunk}", chunk.len());
        if !chunk.is_empty() {
            body += "\r\n";
        }
    }
    if let Some((name, value)) = trailer {
        let hash = hex::encode(Sha256::digest(format!("{name}:{value}\n")));
        let signature = sign("TRAILER", &format!("{before}\n{hash}"));
        let _ = write!(body, "{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n");
    }
    body += "\r\n";
    request.body(body)
}

/// What SDKs send today: chunks without signatures and a checksum behind them.
fn unsigned(server: &Server, body: &str, length: usize, checksum: &str) -> Request {
    let chunks = format!("{:x}\r\n{body}\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n", body.len());
    put("/bkt/k")
        .header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        .header("x-amz-decoded-content-length", length.to_string())
        .header("content-encoding", "aws-chunked")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .sign(server, &server.key)
        .body(chunks)
}

#[tokio::test]
async fn chunks_are_put_together_and_their_encoding_is_not_the_objects() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let request = signed(&server, &["hello ", "world"], None);
    let answer = server.send(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = server.must(get("/bkt/k")).await;
    assert_eq!((found.text().as_str(), found.header("content-encoding")), ("hello world", ""));
    assert_eq!(found.header("etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
}

#[tokio::test]
async fn a_stream_in_chunks_of_both_kinds_has_its_length_in_one_header_only() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let mut request = unsigned(&server, "hello", 5, "NhCmhg==").header("transfer-encoding", "chunked");
    let body = String::from_utf8(request.body).unwrap();
    // Each piece as it writes it: the length, the bytes, the end, the trailer.
    let mut pieces = String::new();
    for piece in body.split_inclusive("\r\n").chain([""]) {
        let _ = write!(pieces, "{:x}\r\n{piece}\r\n", piece.len());
    }
    request.body = pieces.into_bytes();
    assert_eq!(server.send(&request).await.status, 200);
    assert_eq!(server.must(get("/bkt/k")).await.text(), "hello");
    request.headers.retain(|(name, _)| name != "x-amz-decoded-content-length");
    assert_ne!(server.send(&request).await.status, 200);
}

#[tokio::test]
async fn a_chunk_that_was_changed_is_refused() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let mut request = signed(&server, &["hello ", "world"], None);
    let text = String::from_utf8(request.body).unwrap().replace("world", "earth");
    request.body = text.into_bytes();
    assert_eq!(server.send(&request).await.refusal(), "403 SignatureDoesNotMatch");
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchKey");
}

#[tokio::test]
async fn a_trailer_has_the_checksum() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    // The CRC32 of "hello".
    for (checksum, outcome) in [("NhCmhg==", 200), ("AAAAAA==", 400)] {
        let request = signed(&server, &["hel", "lo"], Some(("x-amz-checksum-crc32", checksum)));
        let answer = server.send(&request).await;
        assert_eq!(answer.status, outcome, "{}", answer.text());
        let answer = server.send(&unsigned(&server, "hello", 5, checksum)).await;
        assert_eq!(answer.status, outcome, "{}", answer.text());
        let code = if outcome == 400 { "BadDigest" } else { "" };
        assert_eq!(answer.element("Code"), code);
    }
    let found = server.must(get("/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!(found.header("x-amz-checksum-crc32"), "NhCmhg==");
    assert_eq!(found.header("x-amz-checksum-type"), "FULL_OBJECT");
}

#[tokio::test]
async fn chunks_that_are_none_are_refused() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    let good = unsigned(&server, "hello", 5, "NhCmhg==");
    for bad in [
        &b"zz\r\nhello\r\n0\r\n\r\n"[..],
        b"5\r\nhel",
        b"5\r\nhelloXX0\r\n\r\n",
        b"",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ] {
        let answer = server.send(&good.clone().body(bad)).await;
        assert_eq!(answer.status, 400, "{bad:?}: {}", answer.text());
    }
    let short = unsigned(&server, "hello", 6, "NhCmhg==");
    assert_eq!(server.send(&short).await.status, 400);
    let long = unsigned(&server, "hello", 4, "NhCmhg==");
    assert_eq!(server.send(&long).await.status, 400);
    let missing = good.clone().body("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(server.send(&missing).await.refusal(), "400 InvalidArgument");
    assert_eq!(server.ask(get("/bkt/k")).await.refusal(), "404 NoSuchKey");
}
