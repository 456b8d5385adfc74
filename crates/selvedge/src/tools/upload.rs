//! Files as request bodies.

use std::path::Path;

use anyhow::Context as _;
use bytes::BytesMut;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use indicatif::ProgressBar;
use selvedge_node::Body;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// Bytes of the file that are in memory at a time.
const CHUNK: usize = 256 * 1024;

/// Bytes that are in memory.
pub(crate) fn full(bytes: Vec<u8>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The bytes of `path`, read as they are sent, and how many they are. `bar` is told of them.
pub(crate) async fn file_body(path: &Path, bar: Option<ProgressBar>) -> anyhow::Result<(Body, u64)> {
    let opening = || format!("cannot read {}", path.display());
    let mut file = File::open(path).await.with_context(opening)?;
    let size = file.metadata().await.with_context(opening)?.len();
    file.set_max_buf_size(CHUNK);
    let chunks = stream::try_unfold((file, bar), |(mut file, bar)| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if file.read_buf(&mut chunk).await? == 0 {
            return Ok(None);
        }
        if let Some(bar) = &bar {
            bar.inc(chunk.len() as u64);
        }
        Ok(Some((Frame::data(chunk.freeze()), (file, bar))))
    });
    Ok((StreamBody::new(chunks).boxed_unsync(), size))
}
