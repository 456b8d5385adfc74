//! Files as request bodies, and answers as files.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyDataStream, BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use indicatif::ProgressBar;
use selvedge_node::Body;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes of the file that are in memory at a time.
const CHUNK: usize = 256 * 1024;

/// Bytes that are in memory.
pub(crate) fn full(bytes: Vec<u8>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The bytes of `path`, read as they are sent, and how many they are. `bar` is told of them.
pub(crate) async fn file_body(path: &Path, bar: Option<ProgressBar>) -> anyhow::Result<(Body, u64)> {
    let file = open(path).await?;
    let size = file.metadata().await?.len();
    let chunks = chunks(file).inspect_ok(move |chunk| {
        if let Some(bar) = &bar {
            bar.inc(chunk.len() as u64);
        }
    });
    Ok((StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync(), size))
}

/// The bytes of several files, one after the other.
pub(crate) async fn files_body(paths: Vec<PathBuf>) -> anyhow::Result<Body> {
    let mut files = Vec::with_capacity(paths.len());
    for path in &paths {
        files.push(open(path).await?);
    }
    let all = stream::iter(files).flat_map(chunks);
    Ok(StreamBody::new(all.map_ok(Frame::data)).boxed_unsync())
}

/// Writes an answer to `path`, or to stdout without one. A file that is there is whole: it gets its name when
/// everything has arrived. `what` is the word for it, `doing` that for the bar.
pub(crate) async fn save(body: Incoming, path: Option<&Path>, what: &str, doing: &str) -> anyhow::Result<()> {
    let mut chunks = BodyDataStream::new(body);
    let broke_off = || format!("the {what} broke off");
    let Some(path) = path else {
        while let Some(chunk) = chunks.try_next().await.with_context(broke_off)? {
            super::raw(&chunk)?;
        }
        return Ok(());
    };
    let writing = || format!("cannot write {}", path.display());
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished).await.with_context(writing)?;
    let bar = super::output::byte_bar(doing);
    while let Some(chunk) = chunks.try_next().await.with_context(broke_off)? {
        file.write_all(&chunk).await.with_context(writing)?;
        bar.inc(chunk.len() as u64);
    }
    file.sync_all().await.with_context(writing)?;
    tokio::fs::rename(&unfinished, path).await.with_context(writing)?;
    bar.finish_and_clear();
    super::spoken(format_args!("Wrote {}.", path.display()));
    Ok(())
}

async fn open(path: &Path) -> anyhow::Result<File> {
    let mut file = File::open(path).await.with_context(|| format!("cannot read {}", path.display()))?;
    file.set_max_buf_size(CHUNK);
    Ok(file)
}

fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (chunk.freeze(), file)))
    });
    Box::pin(chunks)
}
