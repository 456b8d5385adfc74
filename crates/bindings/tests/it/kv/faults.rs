//! What the runtime is told when the store cannot do what it is asked: damaged values, a deleted namespace, a key
//! that is written too often.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use selvedge_base::SystemClock;
use selvedge_bindings::{Registry, Resource};
use selvedge_kv::{Limits, PutOptions, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{TOKEN, request};
use crate::support::Service;

async fn start(limits: Limits) -> Service<Store> {
    let open = async |directory: &Path, registry: &Registry| {
        let store = Store::open(&directory.join("kv"), SystemClock::shared(), limits).unwrap();
        let namespace = store.namespace("sessions").await.unwrap();
        registry.insert("kv/sessions".to_owned(), Resource::Kv(namespace));
        store
    };
    Service::start("kv/sessions", open).await
}

async fn call(service: &Service<Store>, method: &str, target: &str, body: &'static str) -> Response<Bytes> {
    service.send(request(method, target).body(Full::new(body.into())).unwrap()).await
}

fn status(response: &Response<Bytes>) -> String {
    let phrase = response.extensions().get::<ReasonPhrase>();
    let phrase = phrase.map_or("".into(), |p| String::from_utf8_lossy(p.as_bytes()));
    format!("{} {phrase}", response.status().as_u16())
}

/// The only value file there is.
fn value_file(service: &Service<Store>) -> PathBuf {
    let blobs = service.socket().with_file_name("kv").join("sessions/blobs");
    let folders = std::fs::read_dir(blobs).unwrap().map(|folder| folder.unwrap().path());
    folders.flat_map(|folder| std::fs::read_dir(folder).unwrap()).next().unwrap().unwrap().path()
}

fn flip(path: &Path, at: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[tokio::test]
async fn a_damaged_value_is_an_error_or_an_answer_that_ends_too_early() {
    const SIZE: usize = 1_000_000;
    let service = start(Limits::default()).await;
    let namespace = service.resource.namespace("sessions").await.unwrap();
    namespace.put("k", vec![7; SIZE], &PutOptions::default()).await.unwrap();
    let file = value_file(&service);

    // Far behind the start: the status has been sent when it is noticed.
    flip(&file, 900_000);
    let mut stream = UnixStream::connect(service.socket()).await.unwrap();
    let head = format!(
        "GET /k?urlencoded=true HTTP/1.1\r\nHost: fake-host\r\nX-Selvedge-Resource: kv/sessions\r\n\
         X-Selvedge-Token: {TOKEN}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer[body..].iter().all(|byte| *byte == 7), "a wrong byte was sent");
    assert!(answer.len() - body < SIZE, "the connection ends before the body is whole");

    // At the start: nothing has been sent.
    flip(&file, 10);
    let answer = call(&service, "GET", "/k?urlencoded=true", "").await;
    let reason = "500 The stored value is damaged and cannot be served; the log of Selvedge says more.";
    assert_eq!(status(&answer), reason);
    let answer = call(&service, "POST", "/bulk/get", r#"{"keys":["k"]}"#).await;
    assert_eq!(status(&answer), reason);
}

#[tokio::test]
async fn a_deleted_namespace_is_no_longer_there() {
    let service = start(Limits::default()).await;
    assert!(service.resource.delete_namespace("sessions").await.unwrap());
    for (method, target) in [("GET", "/k"), ("PUT", "/k"), ("DELETE", "/k"), ("GET", "/")] {
        let answer = call(&service, method, target, "").await;
        assert_eq!(status(&answer), "503 The KV namespace was deleted.", "{method} {target}");
    }
}

#[tokio::test]
async fn a_key_that_is_written_too_often_is_refused_in_cloudflares_words() {
    let limits = Limits { key_write_interval: Some(Duration::from_hours(1)), ..Limits::default() };
    let service = start(limits).await;
    assert_eq!(call(&service, "PUT", "/k", "first").await.status(), 200);
    for (method, body) in [("PUT", "second"), ("DELETE", "")] {
        let answer = call(&service, method, "/k", body).await;
        // The usual phrase of the status is the text.
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (429, &b"Too Many Requests"[..]));
    }
    assert_eq!(call(&service, "GET", "/k", "").await.body(), "first");
}
