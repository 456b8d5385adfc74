//! One object, from one end to the other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt as _};
use http::StatusCode;
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use hyper::body::Frame;
use indicatif::ProgressBar;
use selvedge_remote::{Bucket, Entry, Error, Meta, PartTag};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::End;
use super::here::{self, Here};

const MIB: u64 = 1 << 20;
/// Bytes of an object, or of a part of one, that are sent in one request to the other S3.
const PIECE: u64 = 16 * MIB;
/// Parts of an object at most, on every S3.
const PARTS: u64 = 10_000;
/// The largest object that R2 takes in one piece.
const LARGEST_PUT: u64 = (5 << 30) - 5 * MIB;
/// How often an object is tried.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

pub(super) enum Copied {
    /// Bytes.
    Whole(u64),
    /// It is not there any more.
    Gone,
}

pub(super) struct Copier {
    here: Here,
    there: Arc<Bucket>,
    /// MiB of parts that are in memory.
    memory: Arc<Semaphore>,
    budget: u64,
}

type Pieces = Pin<Box<dyn Stream<Item = anyhow::Result<Bytes>> + Send>>;

impl Copier {
    pub(super) fn new(here: Here, there: Bucket, concurrency: usize) -> Self {
        let budget = PIECE / MIB * concurrency.max(1) as u64;
        let permits = usize::try_from(budget).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            here,
            there: Arc::new(there),
            memory: Arc::new(Semaphore::new(permits)),
            budget: permits as u64,
        }
    }

    /// The entries of one end, whose keys are without its prefix.
    pub(super) fn entries<'c>(
        &'c self,
        end: &'c End,
    ) -> Pin<Box<dyn Stream<Item = anyhow::Result<Entry>> + Send + 'c>> {
        let without = |mut entry: Entry| {
            entry.key.drain(..end.prefix.len().min(entry.key.len()));
            entry
        };
        if end.is_here {
            Box::pin(self.here.entries(&end.prefix).map_ok(without))
        } else {
            let said =
                move |error| anyhow::Error::new(error).context(format!("cannot list s3://{}", end.bucket));
            Box::pin(self.there.entries(&end.prefix).map_err(said).map_ok(without))
        }
    }

    /// Copies `source` to `target`; `is_in` when the target is here.
    pub(super) async fn copy(
        &self,
        is_in: bool,
        source: &str,
        target: &str,
        bar: &ProgressBar,
    ) -> anyhow::Result<Copied> {
        let mut attempt = 1;
        loop {
            let before = bar.position();
            let done = if is_in {
                self.bring(source, target, bar).await
            } else {
                self.send(source, target, bar).await
            };
            match done {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => {
                    tracing::debug!(error = format!("{error:#}"), key = source, "copying it again");
                    bar.set_position(before.min(bar.position()));
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    pub(super) async fn delete(&self, is_here: bool, keys: &[String]) -> anyhow::Result<()> {
        if is_here { self.here.delete(keys).await } else { Ok(self.there.delete(keys).await?) }
    }

    async fn bring(&self, source: &str, target: &str, bar: &ProgressBar) -> anyhow::Result<Copied> {
        let (meta, entry, body) = match self.there.get(source).await {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(Copied::Gone),
            other => other?,
        };
        let bar = bar.clone();
        let body = body.inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
        if entry.size <= LARGEST_PUT {
            let frames = body.map_ok(Frame::data).map_err(std::io::Error::other);
            let body = StreamBody::new(frames).boxed_unsync();
            self.here.put(target, here::headers(meta, &entry.etag), entry.size, body).await?;
        } else {
            let body = Box::pin(body.map_err(anyhow::Error::from));
            let headers = here::headers(meta, "");
            let id = self.here.begin(target, &headers).await?;
            let parts = self.bring_parts(target, &id, entry.size, body).await;
            let done = match parts {
                Ok(parts) => self.here.complete(target, &id, &parts).await,
                Err(error) => Err(error),
            };
            if done.is_err() {
                let _ = self.here.abort(target, &id).await;
            }
            done?;
        }
        Ok(Copied::Whole(entry.size))
    }

    async fn bring_parts(
        &self,
        key: &str,
        id: &str,
        size: u64,
        mut body: Pieces,
    ) -> anyhow::Result<Vec<Value>> {
        let (mut parts, mut rest, length) = (Vec::new(), BytesMut::new(), part_size(size));
        for number in 1..=size.div_ceil(length) {
            let _memory = self.reserve(length).await?;
            let piece = fill(&mut body, &mut rest, piece_of(size, length, number)).await?;
            let number = u32::try_from(number)?;
            parts.push(self.here.put_part(key, id, number, piece.into()).await?);
        }
        Ok(parts)
    }

    async fn send(&self, source: &str, target: &str, bar: &ProgressBar) -> anyhow::Result<Copied> {
        let Some((meta, size, body)) = self.here.get(source).await? else { return Ok(Copied::Gone) };
        let mut body: Pieces = Box::pin(BodyDataStream::new(body).map_err(anyhow::Error::from));
        let left_out = if size <= PIECE {
            let _memory = self.reserve(size).await?;
            let bytes = fill(&mut body, &mut BytesMut::new(), size).await?;
            let left_out = self.there.put(target, &meta, bytes).await?;
            bar.inc(size);
            left_out
        } else {
            self.send_parts(target, &meta, size, body, bar).await?
        };
        if !left_out.is_empty() {
            let names = left_out.join(", ");
            tracing::warn!("{target}: no header can carry the metadata {names}, which stay behind");
        }
        Ok(Copied::Whole(size))
    }

    async fn send_parts(
        &self,
        key: &str,
        meta: &Meta,
        size: u64,
        body: Pieces,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<String>> {
        let (id, left_out) = self.there.begin(key, meta).await?;
        let done = match self.send_all(key, &id, size, body, bar).await {
            Ok(parts) => self.there.complete(key, &id, parts).await.map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if done.is_err() {
            let _ = self.there.abort(key, &id).await;
        }
        done.map(|()| left_out)
    }

    /// Reads the object from front to back, so that it is of one version, and sends its parts side by side.
    async fn send_all(
        &self,
        key: &str,
        id: &str,
        size: u64,
        mut body: Pieces,
        bar: &ProgressBar,
    ) -> anyhow::Result<Vec<PartTag>> {
        let (mut rest, length) = (BytesMut::new(), part_size(size));
        let (mut parts, mut sending) = (Vec::new(), JoinSet::new());
        for number in 1..=size.div_ceil(length) {
            let memory = self.reserve(length).await?;
            let piece = fill(&mut body, &mut rest, piece_of(size, length, number)).await?;
            let (number, there, bar) = (u32::try_from(number)?, Arc::clone(&self.there), bar.clone());
            let (key, id) = (key.to_owned(), id.to_owned());
            sending.spawn(async move {
                let bytes = piece.len() as u64;
                let sent = there.put_part(&key, &id, number, piece).await;
                drop(memory);
                bar.inc(bytes);
                sent
            });
            while let Some(sent) = sending.try_join_next() {
                parts.push(sent??);
            }
        }
        while let Some(sent) = sending.join_next().await {
            parts.push(sent??);
        }
        Ok(parts)
    }

    async fn reserve(&self, bytes: u64) -> anyhow::Result<tokio::sync::OwnedSemaphorePermit> {
        let wanted = bytes.div_ceil(MIB).clamp(1, self.budget);
        Ok(Arc::clone(&self.memory).acquire_many_owned(u32::try_from(wanted)?).await?)
    }
}

/// Bytes of each part but the last.
fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS).next_multiple_of(MIB).max(PIECE)
}

fn piece_of(size: u64, length: u64, number: u64) -> u64 {
    (size - (number - 1) * length).min(length)
}

/// The next `length` bytes; `rest` is what was read too far.
async fn fill(body: &mut Pieces, rest: &mut BytesMut, length: u64) -> anyhow::Result<Bytes> {
    let length = usize::try_from(length)?;
    while rest.len() < length {
        let Some(chunk) = body.try_next().await? else { bail!("the object ended early") };
        rest.extend_from_slice(&chunk);
    }
    Ok(rest.split_to(length).freeze())
}

/// Whether it may go better in a moment.
fn is_passing(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<Error>().is_some_and(Error::is_passing)
            || cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
                error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).is_some_and(Error::is_passing)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_largest_object_are_few_enough() {
        for size in [1, PIECE, PIECE + 1, 160_000 * MIB, 5 << 40] {
            let length = part_size(size);
            let count = size.div_ceil(length);
            assert!(count <= PARTS && length.is_multiple_of(MIB));
            let pieces: u64 = [1, count].iter().map(|&number| piece_of(size, length, number)).sum();
            assert!(count == 1 || pieces <= 2 * length);
        }
        assert_eq!((piece_of(33, 16, 1), piece_of(33, 16, 3)), (16, 1));
    }
}
