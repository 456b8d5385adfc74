use std::io;

use bytes::Bytes;
use futures_util::stream;
use selvedge_kv::{Entry, Error, Limits, PutOptions, Refusal, Store, Value};

use crate::{Lab, START, large};

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::Refused(no)) => format!("{} {no}", no.status()),
        other => panic!("should be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_put_replaces_value_metadata_and_expiration_together() {
    let lab = Lab::new().await;
    let options = PutOptions {
        expiration_ttl: Some(90),
        metadata: Some(r#"{"naïve":"☕"}"#.to_owned()),
        ..PutOptions::default()
    };
    lab.namespace.put("k", "first", &options).await.unwrap();
    let entry = lab.namespace.get_with_metadata("k").await.unwrap().unwrap();
    assert_eq!(entry.metadata, options.metadata);
    assert_eq!(entry.expiration, Some(START + 90));
    lab.put("k", "second").await;
    let Entry { value, metadata, expiration } = lab.namespace.get_with_metadata("k").await.unwrap().unwrap();
    assert_eq!((value.len(), metadata, expiration), (6, None, None));
    lab.namespace.delete("k").await.unwrap();
    lab.namespace.delete("k").await.unwrap();
    assert!(lab.namespace.get("k").await.unwrap().is_none());
}

#[tokio::test]
async fn every_byte_and_every_key_comes_back_after_a_restart() {
    let lab = Lab::new().await;
    let keys = ["/", "a/b", "%2F", "?", "#", " ", "..x", "😀", "a\0b", "\u{10ffff}", &"é".repeat(256)];
    let bytes: Vec<u8> = (0..=255).collect();
    for key in keys {
        let value = [key.as_bytes(), &bytes].concat();
        lab.namespace.put(key, value, &PutOptions::default()).await.unwrap();
    }
    lab.namespace.put("empty", "", &PutOptions::default()).await.unwrap();
    let lab = lab.reopen().await;
    for key in keys {
        let value = lab.namespace.get(key).await.unwrap().unwrap();
        assert_eq!(value.into_bytes().await.unwrap(), [key.as_bytes(), &bytes].concat(), "{key:?}");
    }
    assert!(lab.namespace.get("empty").await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_changes_nothing() {
    let lab = Lab::new().await;
    lab.put("k", "kept").await;
    let put = async |key: &str, options: PutOptions| refusal(lab.namespace.put(key, "new", &options).await);
    let none = PutOptions::default;
    assert_eq!(put("", none()).await, "400 Key names must not be empty");
    assert_eq!(put("..", none()).await, "400 Illegal key name \"..\". Please use a different name.");
    let long = "414 UTF-8 encoded length of 513 exceeds key length limit of 512.";
    assert_eq!(put(&"a".repeat(513), none()).await, long);
    assert_eq!(refusal(lab.namespace.get(&"a".repeat(513)).await), long);
    assert_eq!(refusal(lab.namespace.delete(&"a".repeat(513)).await), long);
    let short = PutOptions { expiration_ttl: Some(59), ..none() };
    assert_eq!(
        put("k", short).await,
        "400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60."
    );
    let metadata = PutOptions { metadata: Some("1".repeat(1025)), ..none() };
    assert_eq!(put("k", metadata).await, "413 Metadata length of 1025 exceeds limit of 1024.");
    let metadata = PutOptions { metadata: Some("{".to_owned()), ..none() };
    assert_eq!(put("k", metadata).await, "400 Metadata must be valid JSON.");
    assert_eq!(lab.text("k").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn the_limit_on_values_holds_for_bytes_and_for_streams() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { value_bytes: 200_000, ..Limits::default() };
    let store = Store::open(directory.path(), selvedge_base::SystemClock::shared(), limits).unwrap();
    let namespace = store.namespace("small").await.unwrap();
    let stream = |chunks: usize| stream::iter((0..chunks).map(|_| Ok(Bytes::from(large(50_000)))));
    let none = PutOptions::default();
    namespace.put("k", large(200_000), &none).await.unwrap();
    namespace.put_stream("k", stream(4), &none).await.unwrap();
    let too_large = "413 Value length of 250000 exceeds limit of 200000.";
    assert_eq!(refusal(namespace.put("k", large(250_000), &none).await), too_large);
    assert_eq!(refusal(namespace.put_stream("k", stream(5), &none).await), too_large);
    // With its length announced it is refused before a byte is read.
    let announced = PutOptions { length: Some(250_000), ..none };
    let unread = stream::iter([Err(io::Error::other("must not be read"))]);
    assert_eq!(refusal(namespace.put_stream("k", unread, &announced).await), too_large);
    assert_eq!(namespace.get("k").await.unwrap().unwrap().len(), 200_000);
}

#[tokio::test]
async fn many_keys_are_read_in_their_order_with_gaps_and_repeats() {
    let lab = Lab::new().await;
    let metadata = PutOptions { metadata: Some("[1]".to_owned()), ..PutOptions::default() };
    lab.namespace.put("inline", "small", &metadata).await.unwrap();
    lab.namespace.put("file", large(100_000), &PutOptions::default()).await.unwrap();
    let got = lab.namespace.get_many(&["file", "none", "inline", "file"]).await.unwrap();
    let lengths: Vec<_> = got.iter().map(|e| e.as_ref().map(|e| e.value.len())).collect();
    assert_eq!(lengths, [Some(100_000), None, Some(5), Some(100_000)]);
    assert_eq!(got[2].as_ref().unwrap().metadata.as_deref(), Some("[1]"));
    assert_eq!(got[0], got[3]);
    assert_eq!(got[0].as_ref().unwrap().value, large(100_000));
}

#[tokio::test]
async fn a_bulk_read_has_limits() {
    let lab = Lab::new().await;
    let keys: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    assert_eq!(refusal(lab.namespace.get_many(&keys).await), "400 You can request a maximum of 100 keys");
    assert!(lab.namespace.get_many(&keys[..100]).await.is_ok());
    assert_eq!(refusal(lab.namespace.get_many(&keys[..0]).await), "400 You must request a minimum of 1 key");
    assert!(matches!(lab.namespace.get_many(&["a", ""]).await, Err(Error::Refused(Refusal::EmptyKey))));
    let half = 13 * 1024 * 1024;
    for key in ["a", "b"] {
        lab.namespace.put(key, large(half), &PutOptions::default()).await.unwrap();
    }
    assert_eq!(
        refusal(lab.namespace.get_many(&["a", "b"]).await),
        "413 Total size of request exceeds the limit of 25MB"
    );
    assert!(lab.namespace.get_many(&["a", "missing"]).await.is_ok());
}

#[tokio::test]
async fn namespaces_do_not_see_each_other_and_are_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let clock = selvedge_base::SystemClock::shared();
    let store = Store::open(directory.path(), clock, Limits::default()).unwrap();
    // Names that would meet on disk if they were taken as they are.
    let names = ["x", "x.sqlite", "x/blobs", "../x", ""];
    for name in names {
        let namespace = store.namespace(name).await.unwrap();
        assert!(namespace.get("k").await.unwrap().is_none(), "{name:?}");
        namespace.put("k", name.to_owned(), &PutOptions::default()).await.unwrap();
    }
    let (one, two) = tokio::join!(store.namespace("x"), store.namespace("x"));
    one.unwrap().put("seen", "by both", &PutOptions::default()).await.unwrap();
    assert!(matches!(two.unwrap().get("seen").await.unwrap(), Some(Value::Inline(v)) if v == "by both"));
}
