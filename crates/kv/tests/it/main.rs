//! The engine from outside: real files, a clock that the tests move.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod expiry;
mod files;
mod listing;
mod model;
mod values;

use std::path::Path;
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

    /// Value files, finished and half-written.
    fn value_files(&self) -> usize {
        let blobs = self.directory.path().join("test/blobs");
        let folders = std::fs::read_dir(blobs).unwrap();
        folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
    }
}

async fn open(directory: &Path, clock: &Arc<ManualClock>) -> Namespace {
    let clock = Arc::clone(clock);
    Store::open(directory, clock, Limits::default()).unwrap().namespace("test").await.unwrap()
}

/// `bytes` bytes that are not all the same.
fn large(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}
