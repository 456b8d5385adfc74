//! All namespaces of a store: listing and deleting them.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use selvedge_base::{SystemClock, watch_crash_points};
use selvedge_kv::{Error, Limits, ListOptions, PutOptions, Store};

use crate::large;

fn open(directory: &Path) -> Store {
    Store::open(directory, SystemClock::shared(), Limits::default()).unwrap()
}

async fn fill(store: &Store, id: &str) {
    let namespace = store.namespace(id).await.unwrap();
    namespace.put("small", id.to_owned(), &PutOptions::default()).await.unwrap();
    namespace.put("large", large(300_000), &PutOptions::default()).await.unwrap();
}

/// What is in a directory, folders with their content, without SQLite's shared memory.
fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { 1 + files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn namespaces_are_listed_by_their_ids() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert!(store.namespaces().await.unwrap().is_empty());
    let ids = ["", "../x", ".a.b", "a", "a.sqlite", "naïve ☕", "x/blobs"];
    for id in ids.iter().rev() {
        store.namespace(id).await.unwrap();
    }
    assert_eq!(store.namespaces().await.unwrap(), ids);
    assert!(store.exists("a").await.unwrap());
    assert!(!store.exists("b").await.unwrap());
    assert_eq!(store.namespaces().await.unwrap(), ids, "to ask does not make one");
}

#[tokio::test]
async fn a_deleted_namespace_leaves_nothing_on_disk_and_its_name_is_free() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    fill(&store, "kept").await;
    let before = files(directory.path());
    fill(&store, "gone").await;
    let handle = store.namespace("gone").await.unwrap();
    let reader = handle.get("large").await.unwrap().unwrap();
    assert!(store.delete_namespace("gone").await.unwrap());
    assert_eq!(files(directory.path()), before);
    assert_eq!(store.namespaces().await.unwrap(), ["kept"]);
    assert!(!store.delete_namespace("gone").await.unwrap(), "there is none any more");

    // Who still holds it is told so, and who is reading a value gets to its end.
    let none = PutOptions::default();
    assert!(matches!(handle.get("small").await, Err(Error::Deleted)));
    assert!(matches!(handle.get_many(&["small"]).await, Err(Error::Deleted)));
    assert!(matches!(handle.put("small", "x", &none).await, Err(Error::Deleted)));
    assert!(matches!(handle.put("large", large(70_000), &none).await, Err(Error::Deleted)));
    assert!(matches!(handle.delete("small").await, Err(Error::Deleted)));
    assert!(matches!(handle.list(&ListOptions::default()).await, Err(Error::Deleted)));
    assert!(matches!(handle.check(|_| ()).await, Err(Error::Deleted)));
    assert_eq!(reader.into_bytes().await.unwrap(), large(300_000));
    assert_eq!(files(directory.path()), before);

    let again = store.namespace("gone").await.unwrap();
    assert!(again.get("small").await.unwrap().is_none());
    fill(&store, "gone").await;
    assert!(matches!(handle.get("small").await, Err(Error::Deleted)), "the old handle stays what it was");
    drop(store);
    assert!(open(directory.path()).namespace("gone").await.unwrap().get("small").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_namespace_may_be_deleted_under_load() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    for _ in 0..10 {
        let mut users = tokio::task::JoinSet::new();
        for user in 0..8_usize {
            let namespace = store.namespace("busy").await.unwrap();
            users.spawn(async move {
                for n in 0.. {
                    let key = format!("{user}:{n}");
                    let size = if n % 3 == 0 { 70_000 } else { 10 };
                    let put = namespace.put(&key, large(size), &PutOptions::default()).await;
                    let got = namespace.get(&key).await;
                    match (put, got) {
                        (Ok(()), Ok(Some(_))) => {}
                        (_, Err(Error::Deleted)) => return n,
                        other => panic!("{other:?}"),
                    }
                }
                0
            });
        }
        while store.namespace("busy").await.unwrap().get("0:2").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        assert!(store.delete_namespace("busy").await.unwrap());
        assert!(store.namespaces().await.unwrap().is_empty());
        while let Some(user) = users.join_next().await {
            user.unwrap();
        }
        let again = store.namespace("busy").await.unwrap();
        let report = again.check(|_| ()).await.unwrap();
        assert_eq!((report.values, report.orphan_count), (0, 0));
    }
}

#[tokio::test]
async fn a_deletion_that_a_crash_stopped_is_ended_by_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let images = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("kv"));
    fill(&store, "gone").await;
    fill(&store, "kept").await;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let watch = watch_crash_points(directory.path(), {
        let (from, taken) = (directory.path().join("kv"), Arc::clone(&taken));
        let images = images.path().to_owned();
        move |name| {
            if name.starts_with("kv-namespace") {
                crate::copy(&from, &images.join(name));
                taken.lock().unwrap().push(name.to_owned());
            }
        }
    });
    store.delete_namespace("gone").await.unwrap();
    drop(watch);
    let taken = taken.lock().unwrap().clone();
    assert_eq!(taken.len(), 3, "{taken:?}");
    for name in taken {
        let image = images.path().join(&name);
        let store = open(&image);
        assert_eq!(store.namespaces().await.unwrap(), ["kept"], "{name}");
        assert!(!image.join("gone").exists() && !image.join("gone.deleted").exists(), "{name}");
        let gone = store.namespace("gone").await.unwrap();
        assert!(gone.get("small").await.unwrap().is_none(), "{name}");
        let kept = store.namespace("kept").await.unwrap();
        assert_eq!(kept.get("large").await.unwrap().unwrap().into_bytes().await.unwrap(), large(300_000));
    }
}
