use std::time::Duration;

use bytes::Bytes;
use selvedge_base::SystemClock;
use selvedge_kv::{BulkOutcome, Error, Limits, Pair, PutOptions, Refusal, Store};

use crate::{Lab, START, large};

fn pair(key: &str, value: impl Into<Bytes>) -> Pair {
    Pair { key: key.to_owned(), value: value.into(), options: PutOptions::default() }
}

#[tokio::test]
async fn ten_thousand_pairs_are_one_call_and_so_is_their_deletion() {
    let lab = Lab::new().await;
    let key = |n: usize| format!("key:{n:05}");
    // Every hundredth value is a file.
    let value = |n: usize| if n.is_multiple_of(100) { large(65_537 + n) } else { n.to_string().into_bytes() };
    let pairs: Vec<_> = (0..10_000).map(|n| pair(&key(n), value(n))).collect();
    let done = lab.namespace.put_bulk(pairs.clone()).await.unwrap();
    assert_eq!(done, BulkOutcome { done: 10_000, refused: Vec::new() });
    let lab = lab.reopen().await;
    assert_eq!(lab.value_files(), 100);
    for n in (0..10_000).step_by(50) {
        let stored = lab.namespace.get(&key(n)).await.unwrap().unwrap().into_bytes().await.unwrap();
        assert!(stored == value(n), "{n}");
    }
    let too_many = pairs.into_iter().chain([pair("one more", "x")]).collect();
    let refused = lab.namespace.put_bulk(too_many).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::TooManyPairs { most: 10_000 }))), "{refused:?}");

    let done = lab.namespace.delete_bulk((0..10_000).map(key).collect()).await.unwrap();
    assert_eq!(done, BulkOutcome { done: 10_000, refused: Vec::new() });
    assert!(lab.namespace.list(&selvedge_kv::ListOptions::default()).await.unwrap().keys.is_empty());
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 0);
    let refused = lab.namespace.delete_bulk(vec![String::new(); 10_001]).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::TooManyPairs { most: 10_000 }))), "{refused:?}");
}

#[tokio::test]
async fn each_pair_is_validated_and_the_last_of_one_key_counts() {
    let lab = Lab::new().await;
    let mut pairs = vec![
        pair("k", large(70_000)),
        pair("", "no name"),
        pair("..", "no name either"),
        pair(&"a".repeat(513), "long name"),
        pair("large", vec![0; 26_214_401]),
        pair("k", "last"),
        pair("brief", "x"),
        pair("kept", "x"),
    ];
    pairs[6].options.expiration_ttl = Some(59);
    pairs[7].options =
        PutOptions { expiration_ttl: Some(90), metadata: Some("[1]".to_owned()), ..PutOptions::default() };
    let BulkOutcome { done, refused } = lab.namespace.put_bulk(pairs).await.unwrap();
    assert_eq!(done, 3);
    let refused: Vec<_> = refused.iter().map(|(key, no)| (key.len(), no.to_string())).collect();
    assert_eq!(
        refused,
        [
            (0, "Key names must not be empty".to_owned()),
            (2, "Illegal key name \"..\". Please use a different name.".to_owned()),
            (513, "UTF-8 encoded length of 513 exceeds key length limit of 512.".to_owned()),
            (5, "Value length of 26214401 exceeds limit of 26214400.".to_owned()),
            (5, "Invalid expiration_ttl of 59. Expiration TTL must be at least 60.".to_owned()),
        ]
    );
    assert_eq!(lab.text("k").await.as_deref(), Some("last"));
    let kept = lab.namespace.get_with_metadata("kept").await.unwrap().unwrap();
    assert_eq!((kept.expiration, kept.metadata.as_deref()), (Some(START + 90), Some("[1]")));
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 0);

    let keys = ["k", "", "none"].map(str::to_owned).to_vec();
    let BulkOutcome { done, refused } = lab.namespace.delete_bulk(keys).await.unwrap();
    assert_eq!((done, refused), (2, vec![(String::new(), Refusal::EmptyKey)]));
    assert_eq!(lab.text("k").await, None);
}

#[tokio::test]
async fn one_call_may_not_bring_more_than_a_hundred_mebibytes() {
    let lab = Lab::new().await;
    let value = Bytes::from(vec![0; 25 * 1024 * 1024]);
    let pairs: Vec<_> = (0..5).map(|n| pair(&n.to_string(), value.clone())).collect();
    let refused = lab.namespace.put_bulk(pairs.clone()).await;
    assert!(
        matches!(refused, Err(Error::Refused(Refusal::BulkTooLarge { limit: 104_857_600 }))),
        "{refused:?}"
    );
    assert_eq!(lab.namespace.put_bulk(pairs[1..].to_vec()).await.unwrap().done, 4);
}

#[tokio::test]
async fn a_key_may_be_written_as_often_as_the_limit_says() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { key_write_interval: Some(Duration::from_hours(1)), ..Limits::default() };
    let store = Store::open(directory.path(), SystemClock::shared(), limits).unwrap();
    let namespace = store.namespace("slow").await.unwrap();
    let none = PutOptions::default();
    namespace.put("k", "first", &none).await.unwrap();
    let refusals = [
        namespace.put("k", "second", &none).await,
        namespace.delete("k").await,
        namespace.put_stream("k", futures_util::stream::empty(), &none).await,
    ];
    for refused in refusals {
        let Err(Error::Refused(no)) = refused else { panic!("{refused:?}") };
        assert_eq!((no.status(), no.to_string().as_str()), (429, "Too Many Requests"));
    }
    let done = namespace.put_bulk(vec![pair("k", "third"), pair("j", "other")]).await.unwrap();
    assert_eq!((done.done, done.refused), (1, vec![("k".to_owned(), Refusal::TooManyWrites)]));
    let done = namespace.delete_bulk(vec!["j".to_owned(), "i".to_owned()]).await.unwrap();
    assert_eq!((done.done, done.refused), (1, vec![("j".to_owned(), Refusal::TooManyWrites)]));
    // What is refused for another reason does not count as a write.
    assert!(namespace.put("h", vec![0; 26_214_401], &none).await.is_err());
    namespace.put("h", "fits", &none).await.unwrap();
}
