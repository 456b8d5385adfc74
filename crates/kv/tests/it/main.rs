//! The engine from outside: real files, a clock that the tests move.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bulk;
mod crash;
mod damage;
mod edge;
mod expiry;
mod files;
mod listing;
mod migration;
mod model;
mod namespaces;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{ManualClock, Millis};
use selvedge_kv::{Limits, Namespace, PutOptions, Store};
use tempfile::TempDir;

/// Seconds since the epoch at which every test starts.
const START: u64 = 1_700_000_000;

struct Lab {
    directory: TempDir,
    clock: Arc<ManualClock>,
    namespace: Namespace,
}

impl Lab {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Millis(START * 1000));
        let namespace = open(directory.path(), &clock).await;
        Self { directory, clock, namespace }
    }

    /// Closes the namespace and opens it again, as a new process would.
    async fn reopen(self) -> Self {
        let Self { directory, clock, namespace } = self;
        drop(namespace);
        let namespace = open(directory.path(), &clock).await;
        Self { directory, clock, namespace }
    }

    async fn text(&self, key: &str) -> Option<String> {
        let value = self.namespace.get(key).await.unwrap()?;
        Some(String::from_utf8(value.into_bytes().await.unwrap().to_vec()).unwrap())
    }

    async fn put(&self, key: &str, value: &str) {
        self.namespace.put(key, value.to_owned(), &PutOptions::default()).await.unwrap();
    }

    async fn put_for(&self, key: &str, value: impl Into<bytes::Bytes>, seconds: i64) {
        let options = PutOptions { expiration_ttl: Some(seconds), ..PutOptions::default() };
        self.namespace.put(key, value, &options).await.unwrap();
    }

    /// Finishes the background work.
    async fn clean_up(&self) {
        while self.namespace.clean_up().await.unwrap() {}
    }

    /// Where the value files are, in no order.
    fn value_paths(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.directory.path().join("test/blobs")).unwrap();
        folders
            .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }

    /// Value files, finished and half-written.
    fn value_files(&self) -> usize {
        self.value_paths().len()
    }
}

async fn open(directory: &Path, clock: &Arc<ManualClock>) -> Namespace {
    let clock = Arc::clone(clock);
    // Without work in the background a namespace is closed when it is dropped, and tests say when there is work.
    let store = Store::open_without_clean_up(directory, clock, Limits::default()).unwrap();
    store.namespace("test").await.unwrap()
}

/// `bytes` bytes that are not all the same.
fn large(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A copy of a directory as it is at this moment, without SQLite's shared memory, which a crash would not leave.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_none_or(|e| e != "sqlite-shm") {
            std::fs::copy(&path, target).unwrap();
        }
    }
}
