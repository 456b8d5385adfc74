use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use selvedge_base::{ManualClock, Millis, SharedClock};
use selvedge_r2::{
    Bucket, Conditions, Content, Error, EtagMatcher, Found, Get, Limits, Object, PutOptions, Store,
};
use tempfile::TempDir;

/// Limits that make small tests meet them.
pub(crate) const LIMITS: Limits = Limits {
    key: 1024,
    metadata: 8192,
    put: 1 << 24,
    part: 1 << 24,
    part_minimum: 8,
    equal_parts: true,
    object: 1 << 26,
    inline: 16,
};

/// A bucket in a directory of its own.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: ManualClock::at(Millis(1_700_000_000_500)) }
    }

    pub(crate) async fn open(&self) -> Bucket {
        self.open_with(LIMITS).await
    }

    pub(crate) async fn open_with(&self, limits: Limits) -> Bucket {
        let clock: SharedClock = Arc::clone(&self.clock) as SharedClock;
        Store::open(self.directory.path(), clock, limits).unwrap().bucket("b").await.unwrap()
    }

    /// Names of the bucket's files, those being written included.
    pub(crate) fn files(&self) -> Vec<String> {
        fn collect(directory: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, names);
                } else {
                    names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.directory.path().join("b/blobs"), &mut names);
        names.sort();
        names
    }

    /// Waits until the bucket has `count` files.
    pub(crate) async fn settle(&self, count: usize) {
        for _ in 0..2000 {
            if self.files().len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("there are {} files and not {count}", self.files().len());
    }
}

/// A body that comes in pieces of `piece` bytes.
pub(crate) fn body(
    bytes: &[u8],
    piece: usize,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
    let pieces: Vec<_> = bytes.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

pub(crate) async fn put(bucket: &Bucket, key: &str, bytes: &[u8]) -> Object {
    put_with(bucket, key, bytes, PutOptions::default()).await.unwrap()
}

pub(crate) async fn put_with(
    bucket: &Bucket,
    key: &str,
    bytes: &[u8],
    options: PutOptions,
) -> Result<Object, Error> {
    bucket.put(key, body(bytes, 7000), bytes.len() as u64, options).await
}

pub(crate) async fn open(bucket: &Bucket, key: &str) -> Option<Found> {
    match bucket.get(key, None, &Conditions::default()).await.unwrap() {
        Get::Found(found) => Some(*found),
        Get::Missing => None,
        Get::Unmet(_) => panic!("nothing was asked"),
    }
}

pub(crate) async fn get(bucket: &Bucket, key: &str) -> Option<Vec<u8>> {
    match open(bucket, key).await {
        Some(found) => Some(bytes(found.content).await.unwrap()),
        None => None,
    }
}

pub(crate) async fn bytes(content: Content) -> io::Result<Vec<u8>> {
    match content {
        Content::Inline(bytes) => Ok(bytes.to_vec()),
        Content::Stream(pieces) => Ok(pieces.try_collect::<Vec<_>>().await?.concat()),
    }
}

/// If-None-Match: *.
pub(crate) fn if_absent() -> Conditions {
    Conditions { etag_does_not_match: vec![EtagMatcher::Any], ..Conditions::default() }
}

pub(crate) fn if_etag(etag: &str) -> Conditions {
    Conditions { etag_matches: vec![EtagMatcher::Strong(etag.to_owned())], ..Conditions::default() }
}
