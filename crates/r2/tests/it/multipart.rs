//! Objects in parts.

use selvedge_r2::{Bucket, ClaimedPart, Conditions, CreateOptions, Error, Get, Range};

use crate::support::{Place, body, bytes, get, open, put};

async fn part(bucket: &Bucket, id: &str, number: u32, content: &[u8]) -> ClaimedPart {
    let etag = bucket.upload_part("k", id, number, body(content, 5), content.len() as u64).await.unwrap();
    ClaimedPart::new(number, etag)
}

async fn create(bucket: &Bucket) -> String {
    bucket.create_multipart("k", CreateOptions::default()).await.unwrap()
}

#[tokio::test]
async fn completing_copies_nothing() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "k", &[0; 100]).await;
    let id = create(&bucket).await;
    let one = part(&bucket, &id, 1, b"0123456789").await;
    part(&bucket, &id, 2, b"left out").await;
    let three = part(&bucket, &id, 3, b"abcdefghij").await;
    let nine = part(&bucket, &id, 9, b"tail").await;
    let before = place.files();
    assert_eq!(get(&bucket, "k").await.unwrap(), vec![0; 100], "nothing shows before");
    let object = bucket.complete_multipart("k", &id, vec![nine, one, three]).await.unwrap();
    assert_eq!((object.size, &object.etag[32..]), (24, "-3"));
    place.settle(3).await;
    assert!(place.files().iter().all(|name| before.contains(name)));
    assert_eq!(get(&bucket, "k").await.unwrap(), b"0123456789abcdefghijtail");
    let range = Range::From { offset: 9, length: Some(13) };
    let Get::Found(found) = bucket.get("k", Some(&range), &Conditions::default()).await.unwrap() else {
        panic!("it is there")
    };
    assert_eq!(bytes(found.content).await.unwrap(), b"9abcdefghijta");
    drop(bucket);
    let bucket = place.open().await;
    assert_eq!(bucket.head("k").await.unwrap().unwrap(), object);
    assert_eq!(get(&bucket, "k").await.unwrap(), b"0123456789abcdefghijtail");
}

#[tokio::test]
async fn a_reader_keeps_all_parts_of_the_version_it_opened() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    let mut parts = Vec::new();
    for number in 1..=50 {
        parts.push(part(&bucket, &id, number, &[u8::try_from(number).unwrap(); 20]).await);
    }
    bucket.complete_multipart("k", &id, parts).await.unwrap();
    let reading = open(&bucket, "k").await.unwrap();
    put(&bucket, "k", b"small").await;
    // Something else to remove shows that removing has come by.
    put(&bucket, "other", &[1; 100]).await;
    bucket.delete(vec!["other".to_owned()]).await.unwrap();
    place.settle(50).await;
    let content = bytes(reading.content).await.unwrap();
    assert_eq!(content.len(), 1000);
    assert!(content.chunks(20).zip(1..).all(|(chunk, number)| chunk == [number; 20]));
    place.settle(0).await;
}

#[tokio::test]
async fn a_part_is_replaced_by_its_number() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    let old = part(&bucket, &id, 1, b"old bytes").await;
    let new = part(&bucket, &id, 1, b"new bytes").await;
    place.settle(1).await;
    let refused = bucket.complete_multipart("k", &id, vec![old]).await;
    assert!(matches!(refused, Err(Error::InvalidPart)), "{refused:?}");
    bucket.complete_multipart("k", &id, vec![new]).await.unwrap();
    assert_eq!(get(&bucket, "k").await.unwrap(), b"new bytes");
}

#[tokio::test]
async fn an_upload_that_is_over_takes_nothing() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    let one = part(&bucket, &id, 1, b"0123456789").await;
    bucket.abort_multipart("k", &id).await.unwrap();
    bucket.abort_multipart("k", &id).await.unwrap();
    place.settle(0).await;
    let late = bucket.upload_part("k", &id, 1, body(b"x", 1), 1).await;
    assert!(matches!(late, Err(Error::NoSuchUpload)), "{late:?}");
    let late = bucket.complete_multipart("k", &id, vec![one]).await;
    assert!(matches!(late, Err(Error::NoSuchUpload)), "{late:?}");
    for (key, id) in [("k", "unknown"), ("other", id.as_str())] {
        assert!(matches!(bucket.abort_multipart(key, id).await, Err(Error::UnknownUpload)));
        assert!(matches!(bucket.complete_multipart(key, id, vec![]).await, Err(Error::UnknownUpload)));
    }
    // Remembered for a week, and then not.
    place.clock.advance(8 * 24 * 60 * 60 * 1000);
    drop(bucket);
    let bucket = place.open().await;
    assert!(matches!(bucket.abort_multipart("k", &id).await, Err(Error::UnknownUpload)));
}

#[tokio::test]
async fn parts_must_fit_together() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    let ten = part(&bucket, &id, 1, b"0123456789").await;
    let short = part(&bucket, &id, 2, b"short").await;
    let twelve = part(&bucket, &id, 3, b"0123456789ab").await;
    let last = part(&bucket, &id, 4, b"x").await;
    let complete = |parts: &[&ClaimedPart]| {
        let parts = parts.iter().map(|part| (*part).clone()).collect();
        bucket.complete_multipart("k", &id, parts)
    };
    assert!(matches!(complete(&[&ten, &short, &last]).await, Err(Error::PartTooSmall)));
    assert!(matches!(complete(&[&ten, &twelve, &last]).await, Err(Error::UnequalParts)));
    assert!(matches!(complete(&[&ten, &twelve]).await, Err(Error::UnequalParts)));
    assert!(matches!(complete(&[&ten, &ten]).await, Err(Error::RepeatedPart)));
    let absent = ClaimedPart::new(8, ten.etag.clone());
    assert!(matches!(complete(&[&absent]).await, Err(Error::InvalidPart)));
    for number in [0, 10_001] {
        let refused = bucket.upload_part("k", &id, number, body(b"x", 1), 1).await;
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{refused:?}");
    }
    assert_eq!(complete(&[&ten, &short]).await.unwrap().size, 15);
    assert_eq!(get(&bucket, "k").await.unwrap(), b"0123456789short");
}

#[tokio::test]
async fn an_object_of_no_parts_is_empty_and_stays_so() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    bucket.complete_multipart("k", &id, vec![]).await.unwrap();
    drop(bucket);
    let bucket = place.open().await;
    put(&bucket, "other", b"bytes").await;
    assert_eq!(get(&bucket, "k").await.unwrap(), b"");
}

#[tokio::test]
async fn an_open_upload_keeps_its_place_over_a_restart() {
    let place = Place::new();
    let bucket = place.open().await;
    let id = create(&bucket).await;
    drop(bucket);
    let bucket = place.open().await;
    // It must not be given the place that the upload holds.
    put(&bucket, "other", &[1; 100]).await;
    let one = part(&bucket, &id, 1, b"part").await;
    bucket.complete_multipart("k", &id, vec![one]).await.unwrap();
    assert_eq!(get(&bucket, "k").await.unwrap(), b"part");
    assert_eq!(get(&bucket, "other").await.unwrap(), vec![1; 100]);
}
