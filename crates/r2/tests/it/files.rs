//! What happens to the files under objects.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use selvedge_r2::{Algorithm, Checksums, Content, Error, Limits, PutOptions};

use crate::support::{Place, body, bytes, get, if_absent, open, put, put_with};

#[tokio::test]
async fn small_objects_are_rows_and_large_ones_are_files() {
    let place = Place::new();
    let bucket = place.open_with(Limits::default()).await;
    for (size, files) in [(0, 0), (1, 0), (65_536, 0), (65_537, 1), (3_000_000, 2)] {
        let content: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let object = put(&bucket, &size.to_string(), &content).await;
        assert_eq!(object.size, u64::from(size));
        assert_eq!(get(&bucket, &size.to_string()).await.unwrap(), content);
        assert_eq!(place.files().len(), files, "after {size}");
    }
}

#[tokio::test]
async fn replaced_and_deleted_objects_lose_their_files() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "a", &[1; 100]).await;
    put(&bucket, "a", &[2; 100]).await;
    place.settle(1).await;
    put(&bucket, "a", b"small").await;
    place.settle(0).await;
    put(&bucket, "a", &[3; 100]).await;
    put(&bucket, "b", &[4; 100]).await;
    bucket.delete(vec!["a".to_owned(), "b".to_owned(), "none".to_owned()]).await.unwrap();
    place.settle(0).await;
    assert_eq!(get(&bucket, "a").await, None);
}

#[tokio::test]
async fn a_reader_keeps_the_version_it_opened() {
    let place = Place::new();
    let bucket = place.open_with(Limits { part_minimum: 8, ..Limits::default() }).await;
    let old = vec![1; 2_000_000];
    put(&bucket, "k", &old).await;
    let reading = open(&bucket, "k").await.unwrap();
    put(&bucket, "k", &vec![2; 100_000]).await;
    assert_eq!(get(&bucket, "k").await.unwrap(), vec![2; 100_000]);
    place.settle(2).await;
    assert_eq!(bytes(reading.content).await.unwrap(), old);
    place.settle(1).await;
    // A reader that goes away in the middle lets go as well.
    put(&bucket, "k", &old).await;
    let Content::Stream(mut reading) = open(&bucket, "k").await.unwrap().content else {
        panic!("a large one")
    };
    reading.next().await.unwrap().unwrap();
    bucket.delete(vec!["k".to_owned()]).await.unwrap();
    drop(reading);
    place.settle(0).await;
}

#[tokio::test]
async fn what_is_refused_leaves_no_file_and_changes_nothing() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "k", b"kept").await;
    let mut wrong = Checksums::default();
    wrong.insert(Algorithm::Sha256, &[0; 32]);
    let checked = PutOptions { checksums: wrong, ..PutOptions::default() };
    let refused = put_with(&bucket, "k", &[1; 100], checked).await;
    assert!(matches!(refused, Err(Error::BadDigest { .. })), "{refused:?}");
    let absent = PutOptions { conditions: if_absent(), ..PutOptions::default() };
    for size in [1, 100] {
        let refused = put_with(&bucket, "k", &vec![1; size], absent.clone()).await;
        assert!(matches!(refused, Err(Error::PreconditionFailed)), "{refused:?}");
    }
    for size in [99, 101] {
        let refused = bucket.put("k", body(&[1; 100], 30), size, PutOptions::default()).await;
        assert!(matches!(refused, Err(Error::IncompleteBody)), "{refused:?}");
    }
    let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(std::io::Error::other("gone"))]);
    assert!(matches!(bucket.put("k", broken, 100, PutOptions::default()).await, Err(Error::IncompleteBody)));
    assert_eq!(get(&bucket, "k").await.unwrap(), b"kept");
    place.settle(0).await;
}

#[tokio::test]
async fn a_dropped_upload_leaves_no_file() {
    let place = Place::new();
    let bucket = place.open().await;
    let endless = stream::iter([Ok(Bytes::from_static(&[7; 1000]))]).chain(stream::pending());
    let uploading = tokio::spawn({
        let bucket = bucket.clone();
        async move { bucket.put("k", endless, 5000, PutOptions::default()).await }
    });
    place.settle(1).await;
    uploading.abort();
    place.settle(0).await;
    assert!(bucket.head("k").await.unwrap().is_none());
}

#[tokio::test]
async fn opening_removes_files_that_no_object_has() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "k", &[1; 100]).await;
    let id = bucket.create_multipart("k", selvedge_r2::CreateOptions::default()).await.unwrap();
    bucket.upload_part("k", &id, 1, body(&[2; 100], 10), 100).await.unwrap();
    drop(bucket);
    let kept = place.files();
    assert_eq!(kept.len(), 2);
    let blobs = place.directory.path().join("b/blobs");
    std::fs::create_dir_all(blobs.join("ab")).unwrap();
    std::fs::write(blobs.join("ab").join(format!("ab{}", "0".repeat(30))), b"a crash before the row")
        .unwrap();
    std::fs::write(blobs.join("tmp/half"), b"a crash before the end").unwrap();
    let bucket = place.open().await;
    assert_eq!(place.files(), kept);
    assert_eq!(get(&bucket, "k").await.unwrap(), vec![1; 100]);
}

#[tokio::test]
async fn a_missing_file_is_told_and_not_waited_for() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "k", &[1; 100]).await;
    let name = place.files().remove(0);
    std::fs::remove_file(place.directory.path().join("b/blobs").join(&name[..2]).join(&name)).unwrap();
    let lost = bucket.get("k", None, &selvedge_r2::Conditions::default()).await;
    assert!(matches!(&lost, Err(Error::Lost { blob, .. }) if *blob == name), "{lost:?}");
}
