//! Requests as bytes on the socket.

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use selvedge_kv::{Namespace, PutOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{TOKEN, request, start};
use crate::support::Service;

const MIB: usize = 1024 * 1024;

/// The status with the reason phrase, which is all that user code sees of a refusal.
fn status(response: &Response<Bytes>) -> String {
    let standard = response.status().canonical_reason().unwrap_or("");
    let phrase = response.extensions().get::<ReasonPhrase>();
    let phrase = phrase.map_or(standard.into(), |p| String::from_utf8_lossy(p.as_bytes()));
    format!("{} {phrase}", response.status().as_u16())
}

fn parsed(response: &Response<Bytes>) -> Value {
    assert_eq!(status(response), "200 OK");
    serde_json::from_slice(response.body()).unwrap()
}

async fn call(
    service: &Service<Namespace>,
    method: &str,
    target: &str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    service.send(request(method, target).body(Full::new(body.into())).unwrap()).await
}

#[tokio::test]
async fn a_value_goes_in_and_comes_out_with_everything_said_about_it() {
    let service = start().await;
    let target = "/a%2Fb%25%20c?urlencoded=true&expiration_ttl=90";
    let mut client = service.connect().await;
    let metadata = r#"{"naïve":"☕"}"#.as_bytes();
    let put = request("PUT", target)
        .header("cf-kv-metadata", HeaderValue::from_bytes(metadata).unwrap())
        .body(Full::from("value"))
        .unwrap();
    let answer = client.send(put).await;
    assert_eq!(status(&answer), "200 OK");

    let answer = call(&service, "GET", "/a%2Fb%25%20c?urlencoded=true&cache_ttl=30", "").await;
    assert_eq!((status(&answer).as_str(), &answer.body()[..]), ("200 OK", &b"value"[..]));
    assert_eq!(answer.headers()["content-length"], "5");
    assert_eq!(answer.headers()["cf-kv-metadata"].as_bytes(), metadata);
    let entry = service.resource.get_with_metadata("a/b% c").await.unwrap().unwrap();
    assert_eq!(answer.headers()["cf-expiration"], entry.expiration.unwrap().to_string());
    assert!(!answer.headers().contains_key("content-encoding"));
    assert!(!answer.headers().contains_key("cf-cache-status"));
}

#[tokio::test]
async fn empty_answers_say_that_they_are_empty() {
    let service = start().await;
    for (method, expected) in [("GET", "404 Not Found"), ("PUT", "200 OK"), ("DELETE", "200 OK")] {
        let answer = call(&service, method, "/k?urlencoded=true", "").await;
        assert_eq!(status(&answer), expected);
        assert_eq!(answer.headers()["content-length"], "0", "{method}");
    }
    // The key is gone by now; removing it again is no error.
    assert_eq!(status(&call(&service, "DELETE", "/k?urlencoded=true", "").await), "200 OK");
}

#[tokio::test]
async fn a_key_may_look_like_a_path() {
    let service = start().await;
    for target in ["/bulk%2Fget", "/%2F", "/..x", "/a%2F..%2Fb", "/%252F", "/%3Flimit=1", "/a&b+c"] {
        let target = format!("{target}?urlencoded=true");
        let put = call(&service, "PUT", &target, target.clone()).await;
        assert_eq!(status(&put), "200 OK");
        assert_eq!(call(&service, "GET", &target, "").await.body(), &target);
    }
    let listed = parsed(&call(&service, "GET", "/", "").await);
    let names: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["%2F", "..x", "/", "?limit=1", "a&b+c", "a/../b", "bulk/get"]);
}

#[tokio::test]
async fn a_refusal_comes_after_the_whole_body_and_keeps_the_connection() {
    let service = start().await;
    let mut client = service.connect().await;
    let body = vec![7; 26 * MIB];
    for (target, length, expected) in [
        (
            "/k?urlencoded=true&expiration_ttl=59",
            6 * MIB,
            "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.",
        ),
        ("/k?urlencoded=true", 26 * MIB, "413 Value length of 27262976 exceeds limit of 26214400."),
        ("/%zz?urlencoded=true", 6 * MIB, "400 Could not URL-decode key name"),
    ] {
        let put = request("PUT", target).body(Full::from(body[..length].to_vec())).unwrap();
        assert_eq!(status(&client.send(put).await), expected);
    }
    let put = request("POST", "/bulk/get").body(Full::from(body)).unwrap();
    assert_eq!(status(&client.send(put).await), "413 The list of keys is too long to be read.");
    let stranger = request("PUT", "/k").header("x-selvedge-token", "second");
    let stranger = stranger.body(Full::from(vec![7; 6 * MIB])).unwrap();
    assert_eq!(status(&client.send(stranger).await), "200 OK", "only the first token counts");
    let get = request("GET", "/none?urlencoded=true").body(Full::default()).unwrap();
    assert_eq!(status(&client.send(get).await), "404 Not Found");
}

#[tokio::test]
async fn a_stranger_is_refused_after_the_whole_body() {
    let service = start().await;
    for (resource, token) in [("kv/sessions", "guess"), ("kv/none", TOKEN), ("kv/sessions", "")] {
        let mut client = service.connect().await;
        let body = Full::from(vec![7; 6 * MIB]);
        let mut put = request("PUT", "/k?urlencoded=true").body(body).unwrap();
        put.headers_mut().insert("x-selvedge-resource", resource.parse().unwrap());
        put.headers_mut().insert("x-selvedge-token", token.parse().unwrap());
        assert_eq!(client.send(put).await.status(), 403);
        assert_eq!(
            status(&client.send(request("GET", "/k").body(Full::default()).unwrap()).await),
            "404 Not Found"
        );
    }
}

#[tokio::test]
async fn the_injected_header_chooses_the_namespace() {
    let service = start().await;
    call(&service, "PUT", "/k?urlencoded=true", "of sessions").await;
    let mut client = service.connect().await;
    let mut get = request("GET", "/k?urlencoded=true").body(Full::default()).unwrap();
    get.headers_mut().insert("x-selvedge-resource", HeaderValue::from_static("kv/other"));
    assert_eq!(status(&client.send(get).await), "404 Not Found");
}

#[tokio::test]
async fn what_is_malformed_is_answered_with_what_is_wrong() {
    let service = start().await;
    let call = async |method: &str, target: &str, body: &'static str| {
        status(&call(&service, method, target, body).await)
    };
    let long = "a".repeat(513);
    let too_long = "414 UTF-8 encoded length of 513 exceeds key length limit of 512.";
    assert_eq!(call("GET", &format!("/{long}?urlencoded=true"), "").await, too_long);
    assert_eq!(call("DELETE", &format!("/{long}?urlencoded=true"), "").await, too_long);
    assert_eq!(call("GET", &format!("/?prefix={long}"), "").await, too_long);
    assert_eq!(call("PUT", "/?urlencoded=true", "v").await, "400 Key names must not be empty");
    assert_eq!(call("GET", "/%FF?urlencoded=true", "").await, "400 Could not URL-decode key name");
    assert_eq!(call("PATCH", "/k", "").await, "405 Method Not Allowed");
    assert_eq!(call("POST", "/bulk/put", "").await, "405 Method Not Allowed");
    let limit = "400 Invalid key_count_limit of NaN. Please specify an integer greater than 0.";
    assert_eq!(call("GET", "/?key_count_limit=ten", "").await, limit);
    assert_eq!(call("GET", "/?cursor=*", "").await, "400 Invalid cursor.");
    assert_eq!(call("GET", "/?prefix=%C3", "").await, "400 The prefix must be UTF-8.");
    let ttl = "400 Invalid expiration_ttl of soon. Please specify integer greater than 0.";
    assert_eq!(call("PUT", "/k?expiration_ttl=soon&expiration=x", "v").await, ttl);
    let past = "400 Invalid expiration of x. Please specify integer greater than the current number of seconds since the UNIX epoch.";
    assert_eq!(call("PUT", "/k?expiration=x", "v").await, past);
    let cache = "400 Invalid cache_ttl of 1e3. Cache TTL must be at least 30.";
    assert_eq!(call("GET", "/k?cache_ttl=1e3", "").await, cache);
    let bulk = "400 A bulk get must be JSON with a list of strings called \"keys\".";
    for body in ["", "[]", "{\"keys\":7}", "{\"keys\":[7]}", "{\"keys\":[\"a\"]"] {
        assert_eq!(call("POST", "/bulk/get", body).await, bulk, "{body}");
    }
    let mut client = service.connect().await;
    for (bytes, expected) in
        [(&b"\"\xff\""[..], "400 The metadata must be UTF-8."), (b"{", "400 Metadata must be valid JSON.")]
    {
        let metadata = HeaderValue::from_bytes(bytes).unwrap();
        let put = request("PUT", "/k").header("cf-kv-metadata", metadata).body(Full::from("v")).unwrap();
        assert_eq!(status(&client.send(put).await), expected);
    }
    assert!(service.resource.get("k").await.unwrap().is_none());
}

#[tokio::test]
async fn listed_metadata_is_json_in_a_string() {
    let service = start().await;
    let put = async |key: &str, metadata: Option<&str>| {
        let options = PutOptions { metadata: metadata.map(str::to_owned), ..PutOptions::default() };
        service.resource.put(key, "v", &options).await.unwrap();
    };
    put("a", Some("\"x\"")).await;
    put("b", None).await;
    put("c", Some("{\"é\":1}")).await;
    let first = parsed(&call(&service, "GET", "/?key_count_limit=2", "").await);
    let keys = json!([{ "name": "a", "metadata": "\"x\"" }, { "name": "b" }]);
    assert_eq!((&first["keys"], &first["list_complete"]), (&keys, &json!(false)));
    let cursor = first["cursor"].as_str().unwrap();
    let second = call(&service, "GET", &format!("/?key_count_limit=2&prefix=&cursor={cursor}"), "").await;
    let keys = json!([{ "name": "c", "metadata": "{\"é\":1}" }]);
    assert_eq!(parsed(&second), json!({ "keys": keys, "list_complete": true }));
}

#[tokio::test]
async fn a_bulk_get_answers_in_order_with_what_the_runtime_asked_for() {
    let service = start().await;
    let options = PutOptions { metadata: Some("[1]".to_owned()), ..PutOptions::default() };
    service.resource.put("j", "\u{feff}{\"n\": 1e400}", &options).await.unwrap();
    service.resource.put("t", b"\xffplain".to_vec(), &PutOptions::default()).await.unwrap();
    let bulk = async |body: &'static str| call(&service, "POST", "/bulk/get", body).await;
    let text = bulk(r#"{"keys":["t","none","j"]}"#).await;
    assert_eq!(text.body(), "{\"t\":\"\u{fffd}plain\",\"none\":null,\"j\":\"{\\\"n\\\": 1e400}\"}");
    let json = bulk(r#"{"keys":["j"],"type":"json","withMetadata":true,"cacheTtl":"90"}"#).await;
    assert_eq!(json.body(), r#"{"j":{"value":{"n": 1e400},"metadata":[1]}}"#);
    let whole = bulk(r#"{"keys":["t","none"],"type":"text","withMetadata":true}"#).await;
    assert_eq!(whole.body(), "{\"t\":{\"value\":\"\u{fffd}plain\",\"metadata\":null},\"none\":null}");
    let no = "400 At least one of the requested keys corresponds to a non-json value";
    assert_eq!(status(&bulk(r#"{"keys":["j","t"],"type":"json"}"#).await), no);
    let no = "400 Invalid cache_ttl of 29. Cache TTL must be at least 30.";
    assert_eq!(status(&bulk(r#"{"keys":["j"],"cacheTtl":"29"}"#).await), no);
    let no = "400 \"stream\" is not a valid type. Use \"json\" or \"text\"";
    assert_eq!(status(&bulk(r#"{"keys":["j"],"type":"stream"}"#).await), no);
}

#[tokio::test]
async fn a_value_whose_sender_goes_away_is_never_there() {
    let service = start().await;
    call(&service, "PUT", "/k?urlencoded=true", "kept").await;
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    let head = format!(
        "PUT /k?urlencoded=true HTTP/1.1\r\nHost: fake-host\r\nX-Selvedge-Resource: kv/sessions\r\n\
         X-Selvedge-Token: {TOKEN}\r\nContent-Length: 2000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 1_500_000]).await.unwrap();
    while service.files() == 0 {
        tokio::task::yield_now().await;
    }
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    // The server has noticed when it closes.
    let _ = stream.read_to_end(&mut answer).await;
    while service.files() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(call(&service, "GET", "/k?urlencoded=true", "").await.body(), "kept");
}

#[tokio::test]
async fn hundreds_of_connections_are_served_at_once() {
    let service = start().await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(service.connect().await);
    }
    let calls = clients.iter_mut().enumerate().map(async |(n, client)| {
        let target = format!("/k{n}?urlencoded=true");
        let put = request("PUT", &target).body(Full::from(n.to_string())).unwrap();
        assert_eq!(status(&client.send(put).await), "200 OK");
        let get = request("GET", &target).body(Full::default()).unwrap();
        assert_eq!(client.send(get).await.body(), &n.to_string());
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn a_connection_outlives_the_runtimes_own_patience() {
    // workerd closes idle connections after 5 s. If we did it earlier, a request could meet the close.
    let service = start().await;
    let mut client = service.connect().await;
    let get = || request("GET", "/k?urlencoded=true").body(Full::default()).unwrap();
    assert_eq!(status(&client.send(get()).await), "404 Not Found");
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(status(&client.send(get()).await), "404 Not Found");
}
