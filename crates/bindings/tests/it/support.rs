//! What the three bindings' tests share: a service on a socket of its own, a client, a Worker in a real workerd.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use selvedge_bindings::{Registry, serve};
use selvedge_workerd::{Bar, Process, Search, StartOptions, Tool, default_cache, locate};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OnceCell, mpsc};
use tokio::task::JoinHandle;

pub(crate) const TOKEN: &str = "a-token";

/// One resource behind a socket, in a directory of its own. They go away with the value.
pub(crate) struct Service<R> {
    pub(crate) resource: R,
    name: &'static str,
    directory: TempDir,
    task: JoinHandle<()>,
}

impl<R> Drop for Service<R> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<R> Service<R> {
    /// Serves what `open` makes in the directory it is given, and registers. `name` is what the runtime calls the
    /// resource, and where in that directory it is.
    pub(crate) async fn start(name: &'static str, open: impl AsyncFnOnce(&Path, &Registry) -> R) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let registry = Arc::new(Registry::new(TOKEN.to_owned()));
        let resource = open(directory.path(), &registry).await;
        let listener = UnixListener::bind(directory.path().join("bindings.sock")).unwrap();
        let task = tokio::spawn(serve(listener, registry));
        Self { resource, name, directory, task }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("bindings.sock")
    }

    /// Value files of the resource, those being written included.
    pub(crate) fn files(&self) -> usize {
        fn count(directory: &Path) -> usize {
            let entries = std::fs::read_dir(directory).unwrap();
            entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { count(&p) } else { 1 }).sum()
        }
        count(&self.directory.path().join(self.name).join("blobs"))
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.socket()).await
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        self.connect().await.send_last(request).await
    }
}

/// One connection.
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        self.sender.ready().await.unwrap();
        let (head, body) = self.sender.send_request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn send_last(mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let response = self.send(request).await;
        self.close().await;
        response
    }

    /// Fails when the connection did.
    pub(crate) async fn close(self) {
        drop(self.sender);
        self.connection.await.unwrap().unwrap();
    }
}

/// What a workerd runs: one Worker, and the service of a [`Service`], which is called `ours`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Config<'a> {
    /// The Worker's only module.
    pub(crate) worker: &'a str,
    /// The Worker's bindings, as the config file writes them.
    pub(crate) bindings: &'a str,
    /// Services besides, each with a comma behind it.
    pub(crate) services: &'a str,
    /// Whether some of that is what workerd calls experimental.
    pub(crate) experimental: bool,
}

/// A workerd that runs a Worker. It ends with the value.
pub(crate) struct Workerd {
    socket: PathBuf,
    _process: Process,
}

impl Workerd {
    pub(crate) async fn start<R>(service: &Service<R>, config: Config<'_>) -> Self {
        let directory = service.directory.path();
        std::fs::write(directory.join("worker.js"), config.worker).unwrap();
        let socket = directory.join("http.sock");
        let text = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2025-11-01",
      bindings = [{bindings}],
    )),
    (name = "ours", external = (
      address = "unix:{bindings_socket}",
      http = (injectRequestHeaders = [
        (name = "X-Selvedge-Resource", value = "{resource}"),
        (name = "X-Selvedge-Token", value = "{TOKEN}"),
      ]),
    )),
    {services}
  ],
  sockets = [(name = "http", address = "unix:{socket}", http = (), service = "main")],
);
"#,
            bindings = config.bindings,
            bindings_socket = service.socket().display(),
            resource = service.name,
            services = config.services,
            socket = socket.display(),
        );
        let path = directory.join("config.capnp");
        std::fs::write(&path, text).unwrap();
        // Nobody listens: why it does not start is in the error, and the Workers answer with what went wrong.
        let (events, _) = mpsc::channel(1);
        let options = StartOptions { experimental: config.experimental, ..StartOptions::default() };
        let process = Process::start(binary().await, &path, options, events).await.unwrap();
        Self { socket, _process: process }
    }

    /// What the Worker answers, which has to be JSON.
    pub(crate) async fn ask(&self, method: Method, body: impl Into<Bytes>) -> Value {
        let request = Request::builder().method(method).uri("/").header("host", "worker");
        let request = request.body(Full::new(body.into())).unwrap();
        let answer = Client::connect(&self.socket).await.send_last(request).await;
        serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("not JSON: {answer:?}"))
    }
}

/// The pinned workerd, installed if need be: once, however many tests ask for it.
async fn binary() -> &'static Path {
    static BINARY: OnceCell<PathBuf> = OnceCell::const_new();
    let find = async || {
        let environment: BTreeMap<String, String> = std::env::vars().collect();
        let cache = default_cache(&environment);
        let search = Search { project: None, cache: &cache, environment: &environment };
        locate(Tool::Workerd, &search, &Bar::default()).await.unwrap_or_else(|error| panic!("{error}"))
    };
    BINARY.get_or_init(find).await
}

/// Fails with every place where `found` is not `expected`.
pub(crate) fn assert_same(expected: &Value, found: &Value) {
    let mut wrong = Vec::new();
    compare("", expected, found, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(place: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let absent = Value::from("<absent>");
            let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
            for name in names {
                let (expected, found) = (expected.get(name), found.get(name));
                let place = format!("{place}/{name}");
                compare(&place, expected.unwrap_or(&absent), found.unwrap_or(&absent), wrong);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}/{at}"), expected, found, wrong);
            }
        }
        _ if expected == found => {}
        _ => wrong.push(format!("{place}: expected {expected}, found {found}")),
    }
}
