//! Values in files of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use selvedge_kv::{Error, PutOptions, Value};

use crate::{Lab, large};

const LARGE: usize = 70_000;

fn chunks(bytes: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let chunks: Vec<_> = bytes.chunks(7_777).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    stream::iter(chunks)
}

#[tokio::test]
async fn sixty_four_kibibytes_are_a_row_and_one_byte_more_is_a_file() {
    let lab = Lab::new().await;
    for (bytes, files) in [(64 * 1024, 0), (64 * 1024 + 1, 1)] {
        for stream in [false, true] {
            let none = PutOptions::default();
            if stream {
                lab.namespace.put_stream("k", chunks(&large(bytes)), &none).await.unwrap();
            } else {
                lab.namespace.put("k", large(bytes), &none).await.unwrap();
            }
            lab.clean_up().await;
            assert_eq!(lab.value_files(), files);
            let value = lab.namespace.get("k").await.unwrap().unwrap();
            assert_eq!(matches!(value, Value::File { .. }), files == 1);
            assert_eq!(value.into_bytes().await.unwrap(), large(bytes));
        }
    }
}

#[tokio::test]
async fn a_reader_keeps_the_file_it_opened() {
    let lab = Lab::new().await;
    lab.namespace.put("k", large(LARGE), &PutOptions::default()).await.unwrap();
    let before = lab.namespace.get("k").await.unwrap().unwrap();
    lab.put("k", "small now").await;
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 0);
    assert_eq!(before.into_bytes().await.unwrap(), large(LARGE));
    assert_eq!(lab.text("k").await.as_deref(), Some("small now"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_beside_overwrites_and_clean_up_always_find_a_whole_value() {
    let lab = Lab::new().await;
    lab.namespace.put("k", large(LARGE), &PutOptions::default()).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (namespace, done) = (lab.namespace.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let value = namespace.get("k").await.unwrap().unwrap();
                    let bytes = value.into_bytes().await.unwrap();
                    assert_eq!(bytes, large(bytes.len()));
                }
            })
        })
        .collect();
    for size in 1..300 {
        lab.namespace.put("k", large(LARGE + size), &PutOptions::default()).await.unwrap();
        lab.namespace.clean_up().await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_fails_or_is_given_up_leaves_nothing() {
    let lab = Lab::new().await;
    lab.put("k", "kept").await;
    let failing = chunks(&large(LARGE)).chain(stream::iter([Err(io::Error::other("the sender went away"))]));
    let failed = lab.namespace.put_stream("k", failing, &PutOptions::default()).await;
    assert!(matches!(failed, Err(Error::Sender(_))), "{failed:?}");
    assert_eq!(lab.value_files(), 0);

    // Half of the value arrives, then nothing, then the caller goes away.
    let silent = chunks(&large(LARGE)).chain(stream::pending());
    let none = PutOptions::default();
    let mut half_open = Box::pin(lab.namespace.put_stream("k", silent, &none));
    while lab.value_files() == 0 {
        tokio::select! {
            done = &mut half_open => panic!("{done:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(half_open);
    let lab = lab.reopen().await;
    assert_eq!(lab.value_files(), 0);
    assert_eq!(lab.text("k").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_put_that_is_given_up_at_any_moment_leaves_no_file_behind() {
    let lab = Lab::new().await;
    let none = PutOptions::default();
    lab.namespace.put("k", large(LARGE), &none).await.unwrap();
    for round in 0..60_usize {
        let mut put = Box::pin(lab.namespace.put("k", large(LARGE + round), &none));
        for _ in 0..1 << (round % 12) {
            tokio::select! {
                biased;
                done = &mut put => { done.unwrap(); break; }
                () = tokio::task::yield_now() => {}
            }
        }
    }
    // The last ones may still be on their way.
    for _ in 0..1000 {
        lab.clean_up().await;
        if lab.value_files() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(lab.value_files(), 1);
    let bytes = lab.namespace.get("k").await.unwrap().unwrap().into_bytes().await.unwrap();
    assert_eq!(bytes, large(bytes.len()));
}

#[tokio::test]
async fn a_start_removes_files_that_no_row_names_and_keeps_the_others() {
    let lab = Lab::new().await;
    lab.namespace.put("k", large(LARGE), &PutOptions::default()).await.unwrap();
    let folder = lab.directory.path().join("test/blobs/ab");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("ab{}", "0".repeat(30))), "left by a crash").unwrap();
    assert_eq!(lab.value_files(), 2);
    let lab = lab.reopen().await;
    assert_eq!(lab.value_files(), 1);
    let value = lab.namespace.get("k").await.unwrap().unwrap();
    assert_eq!(value.into_bytes().await.unwrap(), large(LARGE));
}

#[tokio::test]
async fn a_value_file_that_is_gone_or_cut_is_reported_and_not_served() {
    let lab = Lab::new().await;
    lab.namespace.put("k", large(LARGE), &PutOptions::default()).await.unwrap();
    let blobs = lab.directory.path().join("test/blobs");
    let path = std::fs::read_dir(blobs)
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .next()
        .unwrap()
        .unwrap()
        .path();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    assert!(matches!(lab.namespace.get("k").await, Err(Error::Damaged { .. })));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(lab.namespace.get("k").await, Err(Error::Damaged { .. })));
    lab.put("k", "put again").await;
    assert_eq!(lab.text("k").await.as_deref(), Some("put again"));
}
