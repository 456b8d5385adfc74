//! The framing, request by request.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{RESOURCE_HEADER, TOKEN, TOKEN_HEADER, request, start};

/// A head, get or list.
fn asking(call: &Value) -> Request<Full<Bytes>> {
    let header = http::HeaderValue::from_bytes(call.to_string().as_bytes()).unwrap();
    request(Method::GET).header("cf-r2-request", header).body(Full::default()).unwrap()
}

/// Anything else.
fn writing(call: &Value, payload: &[u8]) -> Request<Full<Bytes>> {
    let mut body = call.to_string().into_bytes();
    let size = body.len();
    body.extend_from_slice(payload);
    request(Method::PUT).header("cf-r2-metadata-size", size).body(Full::new(body.into())).unwrap()
}

/// The JSON of a reply to a `GET`, and what is behind it.
fn parts(response: &Response<Bytes>) -> (Value, Bytes) {
    let size = response.headers().get("cf-r2-metadata-size").expect("a metadata size");
    let size = size.to_str().unwrap().parse().unwrap();
    let mut body = response.body().clone();
    let metadata = body.split_to(size);
    (serde_json::from_slice(&metadata).unwrap(), body)
}

fn error(response: &Response<Bytes>) -> (u16, u64, String) {
    let header = response.headers().get("cf-r2-error").expect("an error header");
    let fields: Value = serde_json::from_slice(header.as_bytes()).unwrap();
    assert_eq!(fields["version"], 1);
    let message = fields["message"].as_str().unwrap().to_owned();
    (response.status().as_u16(), fields["v4code"].as_u64().unwrap(), message)
}

fn put(key: &str) -> Value {
    json!({"version": 1, "method": "put", "object": key})
}

#[tokio::test]
async fn a_refused_body_is_read_to_its_end_first() {
    let service = start().await;
    let large = vec![7; 8 << 20];
    let refused = [
        put(&"k".repeat(1025)),
        json!({"method": "put", "object": "k", "onlyIf": {"etagMatches": [{"type": "wildcard"}]}}),
        json!({"method": "put", "object": "k", "md5": STANDARD.encode([0; 16])}),
        json!({"method": "uploadPart", "object": "k", "uploadId": "none", "partNumber": 1}),
        json!({"method": "nonsense"}),
    ];
    let mut client = service.connect().await;
    for call in refused {
        // One connection for all: one that was given up half-way would not take the next.
        let response = client.send(writing(&call, &large)).await;
        assert!(response.status().as_u16() >= 400, "{call}");
        assert!(response.headers().contains_key("cf-r2-error"), "{call}");
    }
    client.close().await;
    assert_eq!(service.files(), 0);
}

#[tokio::test]
async fn headers_carry_raw_utf8() {
    let service = start().await;
    service.send(writing(&put("schlüssel/\u{1F600}"), b"value")).await;
    let got = service.send(asking(&json!({"method": "get", "object": "schlüssel/\u{1F600}"}))).await;
    let (metadata, body) = parts(&got);
    assert_eq!(metadata["name"], "schlüssel/\u{1F600}");
    assert_eq!(body, "value");
}

#[tokio::test]
async fn every_reply_to_a_get_names_the_size_of_its_metadata() {
    let service = start().await;
    service.send(writing(&put("k"), b"value")).await;
    let head = service.send(asking(&json!({"method": "head", "object": "k"}))).await;
    let (metadata, body) = parts(&head);
    assert!(body.is_empty());
    assert_eq!(metadata["size"], 5);
    let (listing, _) = parts(&service.send(asking(&json!({"method": "list"}))).await);
    assert_eq!(listing["objects"].as_array().unwrap().len(), 1);
    assert_eq!(listing["truncated"], false);

    let only_if = json!({"etagMatches": [{"type": "strong", "value": "other"}]});
    let unmet = service.send(asking(&json!({"method": "get", "object": "k", "onlyIf": only_if}))).await;
    assert_eq!((error(&unmet).0, error(&unmet).1), (412, 10031));
    assert_eq!(parts(&unmet).0["name"], "k", "the object comes with the refusal");
    assert!(parts(&unmet).1.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_404_and_10007() {
    let service = start().await;
    for method in ["head", "get"] {
        let missing = service.send(asking(&json!({"method": method, "object": "k"}))).await;
        assert_eq!(error(&missing), (404, 10007, "The specified key does not exist.".to_owned()));
    }
    let id = service.resource.create_multipart("k", selvedge_r2::CreateOptions::default()).await.unwrap();
    let parts = json!([{"part": 1, "etag": "none"}]);
    let call = json!({"method": "completeMultipartUpload", "object": "k", "uploadId": id, "parts": parts});
    assert_eq!(error(&service.send(writing(&call, b"")).await).1, 10025);
}

#[tokio::test]
async fn integers_come_as_strings_or_numbers_and_go_whole() {
    let service = start().await;
    service.send(writing(&put("k"), b"0123456789")).await;
    for range in [json!({"offset": "2", "length": "3"}), json!({"offset": 2, "length": 3})] {
        let got = service.send(asking(&json!({"method": "get", "object": "k", "range": range}))).await;
        let (metadata, body) = parts(&got);
        assert_eq!(body, "234");
        assert_eq!(metadata["range"], json!({"offset": 2, "length": 3}));
    }
    let got = service.send(asking(&json!({"method": "get", "object": "k", "range": {"suffix": "2"}}))).await;
    let (metadata, body) = parts(&got);
    assert_eq!((metadata["range"].clone(), body), (json!({"offset": 8, "length": 2}), "89".into()));
    assert!(metadata["uploaded"].is_u64() && metadata["size"].is_u64(), "{metadata}");
    for before in [json!("1"), json!(1)] {
        let call = json!({"method": "get", "object": "k", "onlyIf": {"uploadedBefore": before}});
        assert_eq!(service.send(asking(&call)).await.status(), 412);
    }
}

#[tokio::test]
async fn md5_comes_in_base64_and_sha_in_hex_and_both_go_in_hex() {
    let service = start().await;
    // Of "abc".
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    let raw = 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72_u128.to_be_bytes();
    let mut call = put("k");
    call["md5"] = STANDARD.encode(raw).into();
    let reply = service.send(writing(&call, b"abc")).await;
    let reply: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!((&reply["checksums"]["0"], &reply["etag"]), (&json!(md5), &json!(md5)));

    let mut call = put("k");
    call["sha1"] = sha1.to_uppercase().into();
    let reply = service.send(writing(&call, b"abc")).await;
    let reply: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(reply["checksums"], json!({"0": md5, "1": sha1}));

    call["sha1"] = "00".repeat(20).into();
    let refused = error(&service.send(writing(&call, b"abc")).await);
    let message = format!(
        "The SHA-1 checksum you specified did not match what we received.\n\
         You provided a SHA-1 checksum with value: {}\nActual SHA-1 was: {sha1}",
        "00".repeat(20)
    );
    assert_eq!(refused, (400, 10037, message));
}

#[tokio::test]
async fn a_caller_without_the_token_reaches_nothing() {
    let service = start().await;
    service.resource.put("k", no_bytes(), 0, selvedge_r2::PutOptions::default()).await.unwrap();
    for (resource, token) in [("r2/photos", "a-tokem"), ("r2/photos", ""), ("r2/other", TOKEN)] {
        let mut call = asking(&json!({"method": "head", "object": "k"}));
        call.headers_mut().insert(TOKEN_HEADER, token.parse().unwrap());
        call.headers_mut().insert(RESOURCE_HEADER, resource.parse().unwrap());
        assert_eq!(service.send(call).await.status(), 403, "{resource} {token}");
    }
}

fn no_bytes() -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + Unpin {
    futures_util::stream::iter([])
}

#[tokio::test]
async fn metadata_may_arrive_in_pieces() {
    let service = start().await;
    let call = put("k").to_string();
    let head = format!(
        "PUT / HTTP/1.1\r\nhost: fake-host\r\n{RESOURCE_HEADER}: r2/photos\r\n{TOKEN_HEADER}: {TOKEN}\r\n\
         cf-r2-metadata-size: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        call.len(),
        call.len() + 5
    );
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in call.bytes().chain(*b"value") {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(service.resource.head("k").await.unwrap().unwrap().size, 5);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let service = start().await;
    let call = put("k").to_string();
    let head = format!(
        "PUT / HTTP/1.1\r\nhost: fake-host\r\n{RESOURCE_HEADER}: r2/photos\r\n{TOKEN_HEADER}: {TOKEN}\r\n\
         cf-r2-metadata-size: {}\r\ncontent-length: {}\r\n\r\n{call}",
        call.len(),
        call.len() + (8 << 20)
    );
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 4 << 20]).await.unwrap();
    assert_eq!(service.files(), 1, "the half that is being written");
    drop(stream);
    for _ in 0..500 {
        if service.files() == 0 {
            assert!(service.resource.head("k").await.unwrap().is_none());
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the half-written file is still there");
}

#[tokio::test]
async fn stored_content_encoding_is_metadata_and_not_a_header() {
    let service = start().await;
    let mut call = put("k");
    call["httpFields"] = json!({"contentEncoding": "gzip", "cacheExpiry": "1900000000000"});
    for size in [3, 300_000] {
        service.send(writing(&call, &vec![7; size])).await;
        let got = service.send(asking(&json!({"method": "get", "object": "k"}))).await;
        assert!(!got.headers().contains_key("content-encoding"));
        let (metadata, body) = parts(&got);
        assert_eq!(
            metadata["httpFields"],
            json!({"contentEncoding": "gzip", "cacheExpiry": 1_900_000_000_000_u64})
        );
        assert_eq!(body.len(), size);
        let length = got.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        assert_eq!(length, got.body().len());
    }
}

#[tokio::test]
async fn a_key_of_the_callers_encrypts() {
    let service = start().await;
    let key = |byte: &str| json!({"key": byte.repeat(32)});
    for size in [3, 300_000] {
        let bytes = vec![7; size];
        let mut call = put("k");
        call["ssec"] = key("b9");
        let reply = service.send(writing(&call, &bytes)).await;
        let reply: Value = serde_json::from_slice(reply.body()).unwrap();
        let ssec = json!({"algorithm": "AES256", "keyMd5": "qCWMAE7NBc0iIL28certDg=="});
        assert_eq!(reply["ssec"], ssec);
        let (head, _) = parts(&service.send(asking(&json!({"method": "head", "object": "k"}))).await);
        assert_eq!(head["ssec"], ssec, "a head needs no key");
        let mut call = json!({"method": "get", "object": "k"});
        let missing = error(&service.send(asking(&call)).await);
        assert_eq!((missing.0, missing.1), (400, 10029), "{}", missing.2);
        call["ssec"] = key("b8");
        let wrong = error(&service.send(asking(&call)).await);
        assert_eq!((wrong.0, wrong.1), (403, 10003), "{}", wrong.2);
        call["ssec"] = key("b9");
        call["range"] = json!({"offset": 1});
        assert_eq!(parts(&service.send(asking(&call)).await).1, bytes[1..]);
    }
    let created = json!({"method": "createMultipartUpload", "object": "k", "ssec": key("01")});
    let created = service.send(writing(&created, b"")).await;
    let id = serde_json::from_slice::<Value>(created.body()).unwrap()["uploadId"].clone();
    let mut call = json!({"method": "uploadPart", "object": "k", "uploadId": id, "partNumber": 1});
    assert_eq!(error(&service.send(writing(&call, b"part")).await).1, 10029);
    call["ssec"] = key("01");
    assert_eq!(service.send(writing(&call, b"part")).await.status(), 200);
}

#[tokio::test]
async fn a_malformed_call_is_10029() {
    let service = start().await;
    let calls = [
        json!({}),
        json!([]),
        json!({"method": "get"}),
        json!({"method": "get", "object": 7}),
        json!({"method": "get", "object": "k", "range": {"offset": 1.5}}),
        json!({"method": "get", "object": "k", "onlyIf": {"etagMatches": [{"type": "odd"}]}}),
        json!({"method": "put", "object": "k"}),
    ];
    for call in &calls {
        assert_eq!(error(&service.send(asking(call)).await).1, 10029, "{call}");
    }
    let calls = [
        json!({"method": "get", "object": "k"}),
        json!({"method": "delete"}),
        json!({"method": "delete", "object": "k", "objects": []}),
        json!({"method": "put", "object": "k", "md5": "not base64!"}),
        json!({"method": "put", "object": "k", "sha1": "abc"}),
        json!({"method": "put", "object": "k", "storageClass": "Glacier"}),
        json!({"method": "put", "object": "k", "ssec": {"key": "00".repeat(31)}}),
        json!({"method": "delete", "objects": vec!["k"; 1001]}),
        json!({"method": "uploadPart", "object": "k", "uploadId": "u", "partNumber": -1}),
    ];
    for call in &calls {
        assert_eq!(error(&service.send(writing(call, b"x")).await).1, 10029, "{call}");
    }
    let bare = |method| request(method).body(Full::default()).unwrap();
    assert_eq!(error(&service.send(bare(Method::GET)).await).1, 10029);
    assert_eq!(error(&service.send(bare(Method::PUT)).await).1, 10029);
    for size in ["", "x", "-1", "3", "99999999999999999999"] {
        let call =
            request(Method::PUT).header("cf-r2-metadata-size", size).body(Full::new("{}".into())).unwrap();
        let (status, code, message) = error(&service.send(call).await);
        assert_eq!((status, code, message.as_str()), (400, 10029, "Metadata missing or invalid"), "{size}");
    }
    assert!(service.resource.list(&selvedge_r2::ListOptions::default()).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn a_page_of_long_metadata_stays_small_enough_for_the_runtime() {
    let service = start().await;
    for n in 0..300 {
        let mut call = put(&format!("{n:03}{}", "\u{1}".repeat(1000)));
        call["customFields"] = json!([{"k": "k", "v": "\"".repeat(8000)}]);
        service.send(writing(&call, b"")).await;
    }
    let (mut cursor, mut seen, mut pages) = (Value::Null, 0, 0);
    loop {
        let page =
            service.send(asking(&json!({"method": "list", "include": [0, 1], "cursor": cursor}))).await;
        assert!(page.body().len() <= 1 << 20);
        let (listing, _) = parts(&page);
        seen += listing["objects"].as_array().unwrap().len();
        pages += 1;
        if listing["truncated"] == false {
            break;
        }
        cursor = listing["cursor"].clone();
    }
    assert_eq!(seen, 300);
    assert!(pages < 30, "{pages}");
}
