//! D1 over a real unix socket: what the runtime sends, and what a Worker in a real workerd sees.

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
use selvedge_d1::{Limits, Store};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token";

/// A database behind a socket. It goes away with the value.
struct Service {
    directory: TempDir,
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
            Store::open(&directory.path().join("d1"), SystemClock::shared(), Limits::default()).unwrap();
        let registry = Arc::new(Registry::new(TOKEN.to_owned()));
        registry.insert("d1/shop".to_owned(), Resource::D1(store.database("shop").await.unwrap()));
        let listener = UnixListener::bind(directory.path().join("bindings.sock")).unwrap();
        let task = tokio::spawn(serve(listener, registry));
        Self { directory, task }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("bindings.sock")
    }
}

/// A request as workerd would send it, with the headers that it injects.
fn request(target: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(target)
        .header("host", "d1")
        .header("content-type", "application/json")
        .header(RESOURCE_HEADER, "d1/shop")
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
