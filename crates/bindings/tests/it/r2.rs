//! R2 over a real unix socket: what the runtime sends, to the byte, and what a Worker in a real workerd sees.

mod wire;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve};
use selvedge_r2::{Bucket, Limits, Store};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token";

/// A bucket behind a socket. It goes away with the value.
struct Service {
    directory: TempDir,
    bucket: Bucket,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Service {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store =
            Store::open(&directory.path().join("r2"), SystemClock::shared(), Limits::default()).unwrap();
        let bucket = store.bucket("photos").await.unwrap();
        let registry = Arc::new(Registry::new(TOKEN.to_owned()));
        registry.insert("r2/photos".to_owned(), Resource::R2(bucket.clone()));
        let listener = UnixListener::bind(directory.path().join("bindings.sock")).unwrap();
        let task = tokio::spawn(serve(listener, registry));
        Self { directory, bucket, task }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("bindings.sock")
    }

    /// Files of the bucket, those being written included.
    fn files(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = std::fs::read_dir(directory).unwrap();
            entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { count(&p) } else { 1 }).sum()
        }
        count(&self.directory.path().join("r2/photos/blobs"))
    }
}

/// A request as workerd would send it, with the headers that it injects.
fn request(method: Method) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri("/")
        .header("host", "fake-host")
        .header(RESOURCE_HEADER, "r2/photos")
        .header(TOKEN_HEADER, TOKEN)
}

async fn send(socket: &Path, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    Response::from_parts(head, body)
}
