//! Many at once on the same key.

use std::sync::Arc;

use selvedge_r2::{Error, Limits, PutOptions};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::support::{Place, bytes, get, if_absent, if_etag, open, put, put_with};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_create_a_key_one_wins() {
    let place = Place::new();
    let bucket = place.open().await;
    for round in 0..20 {
        let start = Arc::new(Barrier::new(32));
        let mut writers = JoinSet::new();
        for n in 0..32_u8 {
            let (bucket, start) = (bucket.clone(), Arc::clone(&start));
            writers.spawn(async move {
                start.wait().await;
                // Some are rows and some are files.
                let content = vec![n; if n % 2 == 0 { 5 } else { 50 }];
                let options = PutOptions { conditions: if_absent(), ..PutOptions::default() };
                (n, put_with(&bucket, &format!("k{round}"), &content, options).await)
            });
        }
        let mut winners = Vec::new();
        for (n, outcome) in writers.join_all().await {
            match outcome {
                Ok(object) => winners.push((n, object)),
                Err(Error::PreconditionFailed) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let (n, object) = &winners[0];
        assert_eq!(bucket.head(&format!("k{round}")).await.unwrap().as_ref(), Some(object));
        assert_eq!(get(&bucket, &format!("k{round}")).await.unwrap()[0], *n);
    }
    let large = bucket.list(&selvedge_r2::ListOptions::default()).await.unwrap().objects;
    place.settle(large.iter().filter(|object| object.size > 16).count()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swapping_by_etag_loses_no_update() {
    let place = Place::new();
    let bucket = place.open().await;
    put(&bucket, "count", b"0").await;
    let mut adders = JoinSet::new();
    for _ in 0..8 {
        let bucket = bucket.clone();
        adders.spawn(async move {
            let mut added = 0;
            while added < 25 {
                let found = open(&bucket, "count").await.unwrap();
                let etag = found.object.etag.clone();
                let count: u32 =
                    String::from_utf8(bytes(found.content).await.unwrap()).unwrap().trim().parse().unwrap();
                // Padded, so that the value is a file.
                let next = format!("{:>40}", count + 1);
                let options = PutOptions { conditions: if_etag(&etag), ..PutOptions::default() };
                match put_with(&bucket, "count", next.as_bytes(), options).await {
                    Ok(_) => added += 1,
                    Err(Error::PreconditionFailed) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    adders.join_all().await;
    assert_eq!(get(&bucket, "count").await.unwrap().trim_ascii_start(), b"200");
    place.settle(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_never_sees_two_versions_in_one() {
    let place = Place::new();
    let bucket = place.open_with(Limits { inline: 1000, ..Limits::default() }).await;
    put(&bucket, "k", &vec![0; 1_500_000]).await;
    let writer = tokio::spawn({
        let bucket = bucket.clone();
        async move {
            for n in 1..=60_u8 {
                let size = [1_500_000, 600_000, 900, 1_100_000][usize::from(n % 4)];
                put(&bucket, "k", &vec![n; size]).await;
            }
        }
    });
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (bucket, writer) = (bucket.clone(), writer.abort_handle());
        readers.spawn(async move {
            let mut reads = 0;
            while !writer.is_finished() {
                let found = open(&bucket, "k").await.unwrap();
                let (size, etag) = (found.object.size, found.object.etag.clone());
                let content = bytes(found.content).await.unwrap();
                assert_eq!(content.len() as u64, size);
                assert!(content.iter().all(|byte| *byte == content[0]), "torn: {etag}");
                reads += 1;
            }
            reads
        });
    }
    let reads: u32 = readers.join_all().await.into_iter().sum();
    writer.await.unwrap();
    assert!(reads > 0);
    assert_eq!(get(&bucket, "k").await.unwrap(), vec![60; 1_500_000]);
    place.settle(1).await;
}

/// Two clients, 10,000 races: If-None-Match: * on keys that are new, If-Match on one that both have read, and a
/// conditional delete against a conditional put.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_conditional_writes_exactly_one_wins() {
    let place = Place::new();
    let bucket = place.open().await;
    for lot in 0..100 {
        let mut races = JoinSet::new();
        for n in 0..100 {
            let (bucket, key) = (bucket.clone(), format!("{lot}-{n}"));
            races.spawn(async move {
                // Rows and files, and one against the other.
                let sizes = [[5, 6], [30, 31], [5, 30]][n % 3];
                let [one, two] = sizes.map(|size| {
                    let options = PutOptions { conditions: if_absent(), ..PutOptions::default() };
                    let (bucket, key) = (bucket.clone(), key.clone());
                    tokio::spawn(async move { put_with(&bucket, &key, &vec![1; size], options).await })
                });
                let won = one_of(one.await.unwrap(), two.await.unwrap());
                assert_eq!(bucket.head(&key).await.unwrap().as_ref(), Some(&won));
                let swap = tokio::spawn({
                    let options = PutOptions { conditions: if_etag(&won.etag), ..PutOptions::default() };
                    let (bucket, key) = (bucket.clone(), key.clone());
                    async move { put_with(&bucket, &key, b"swapped", options).await }
                });
                let delete = tokio::spawn({
                    let (bucket, key, etag) = (bucket.clone(), key.clone(), won.etag.clone());
                    async move { bucket.delete_if(&key, if_etag(&etag)).await }
                });
                match (swap.await.unwrap(), delete.await.unwrap()) {
                    (Ok(object), Err(Error::PreconditionFailed)) => {
                        assert_eq!(bucket.head(&key).await.unwrap(), Some(object));
                    }
                    (Err(Error::PreconditionFailed), Ok(true)) => {
                        assert_eq!(bucket.head(&key).await.unwrap(), None);
                    }
                    other => panic!("{other:?}"),
                }
            });
        }
        races.join_all().await;
    }
    let left = bucket.list(&selvedge_r2::ListOptions::default()).await.unwrap().objects;
    assert!(left.iter().all(|object| object.size == 7));
    // "swapped" is a row: every file has gone.
    place.settle(0).await;
}

fn one_of(
    one: Result<selvedge_r2::Object, Error>,
    two: Result<selvedge_r2::Object, Error>,
) -> selvedge_r2::Object {
    match (one, two) {
        (Ok(object), Err(Error::PreconditionFailed)) | (Err(Error::PreconditionFailed), Ok(object)) => object,
        other => panic!("{other:?}"),
    }
}
