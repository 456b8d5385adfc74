//! KV over a real unix socket: what the runtime sends, to the byte, and what a Worker in a real workerd sees.

mod wire;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve};
use selvedge_kv::{Limits, Namespace, Store};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token";

/// Two namespaces behind one socket. They go away with the value.
struct Service {
    directory: TempDir,
    namespace: Namespace,
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
            Store::open(&directory.path().join("kv"), SystemClock::shared(), Limits::default()).unwrap();
        let registry = Arc::new(Registry::new(TOKEN.to_owned()));
        let namespace = store.namespace("sessions").await.unwrap();
        registry.insert("kv/sessions".to_owned(), Resource::Kv(namespace.clone()));
        let other = store.namespace("other").await.unwrap();
        registry.insert("kv/other".to_owned(), Resource::Kv(other));
        let listener = UnixListener::bind(directory.path().join("bindings.sock")).unwrap();
        let task = tokio::spawn(serve(listener, registry));
        Self { directory, namespace, task }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("bindings.sock")
    }

    /// Value files of the namespace, those being written included.
    fn files(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = std::fs::read_dir(directory).unwrap();
            entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { count(&p) } else { 1 }).sum()
        }
        count(&self.directory.path().join("kv/sessions/blobs"))
    }

    async fn connect(&self) -> http1::SendRequest<Full<Bytes>> {
        let stream = UnixStream::connect(self.socket()).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// Sends one request on a connection of its own.
    async fn call(&self, method: &str, target: &str, body: impl Into<Bytes>) -> Response<Bytes> {
        let mut sender = self.connect().await;
        exchange(&mut sender, request(method, target).body(Full::new(body.into())).unwrap()).await
    }
}

/// A request as workerd would send it, with the headers that it injects.
fn request(method: &str, target: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "fake-host")
        .header("cf-kv-flprod-405", "https://fake-host/")
        .header(RESOURCE_HEADER, "kv/sessions")
        .header(TOKEN_HEADER, TOKEN)
}

async fn exchange(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Response<Bytes> {
    sender.ready().await.unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}
