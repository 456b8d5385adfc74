//! A place to run apps in: a directory, a storage service that remembers what it was asked, a client.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use selvedge_base::{Clock as _, Millis, SystemClock};
use selvedge_project::{ModuleKind, Worker};
use selvedge_workerd::{
    App, AppWorker, Bar, Event, Level, Mode, Module, Process, Search, Sockets, StartError, StartOptions,
    Tool, VersionMetadata,
};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};

pub(crate) const TOKEN: &str = "s3cret";
/// Long enough for any machine. What takes this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The pinned workerd, installed if need be.
pub(crate) async fn workerd() -> PathBuf {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let cache = selvedge_workerd::default_cache(&environment);
    let search = Search { project: None, cache: &cache, environment: &environment };
    selvedge_workerd::locate(Tool::Workerd, &search, &Bar::default()).await.unwrap()
}

/// A Worker of one module.
pub(crate) fn worker(name: &str, code: &str) -> AppWorker {
    AppWorker {
        worker: Worker {
            name: name.to_owned(),
            compatibility_date: "2026-06-01".to_owned(),
            ..Worker::default()
        },
        modules: vec![module("index.js", code)],
        object_classes: Vec::new(),
        hyperdrive: Vec::new(),
        version: VersionMetadata {
            id: "v1".to_owned(),
            tag: "first".to_owned(),
            timestamp: Millis(1_795_322_517_091),
        },
    }
}

pub(crate) fn module(name: &str, code: &str) -> Module {
    Module { name: name.to_owned(), kind: ModuleKind::EsModule, bytes: code.as_bytes().to_vec() }
}

/// What the storage service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect()
    }
}

pub(crate) struct Lab {
    pub(crate) directory: TempDir,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    pub(crate) mode: Mode,
    pub(crate) local_network: bool,
    pub(crate) locations: Vec<String>,
    pub(crate) options: StartOptions,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("workerd-it").tempdir().unwrap();
        let asked = Arc::default();
        let listener = UnixListener::bind(directory.path().join("bindings.sock")).unwrap();
        tokio::spawn(serve_storage(listener, Arc::clone(&asked)));
        Self {
            directory,
            asked,
            mode: Mode::Serve,
            local_network: false,
            locations: Vec::new(),
            options: StartOptions { max_wait: PATIENCE, ..StartOptions::default() },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.path().join("objects")
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn http(&self) -> PathBuf {
        self.path().join("http.sock")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("config/config.capnp")
    }

    pub(crate) async fn try_start(&self, workers: &[AppWorker]) -> Result<Running, StartError> {
        let objects = self.objects();
        let app = App {
            workers,
            sockets: Sockets { http: self.http(), bindings: self.path().join("bindings.sock") },
            locations: &self.locations,
            token: TOKEN,
            objects: &objects,
            mode: self.mode,
            local_network: self.local_network,
        };
        let config = selvedge_workerd::write(&app, &self.path().join("config")).unwrap();
        let _ = std::fs::remove_file(self.http());
        for location in &self.locations {
            let _ = std::fs::remove_file(app.sockets.http_at(location));
        }
        let options = StartOptions {
            experimental: app.is_experimental(),
            sockets: app.http_sockets(),
            ..self.options.clone()
        };
        let (events, receiver) = mpsc::channel(64);
        let said = Said::collect(receiver);
        let process = Process::start(&workerd().await, &config, options, events).await?;
        Ok(Running { process, said, http: self.http() })
    }

    pub(crate) async fn start(&self, workers: &[AppWorker]) -> Running {
        self.try_start(workers).await.unwrap()
    }
}

/// Everything a process said so far.
#[derive(Clone, Default)]
pub(crate) struct Said {
    events: Arc<Mutex<Vec<Event>>>,
    more: Arc<Notify>,
}

impl Said {
    pub(crate) fn collect(mut receiver: mpsc::Receiver<Event>) -> Self {
        let said = Self::default();
        let ours = said.clone();
        tokio::spawn(async move {
            while let Some(event) = receiver.recv().await {
                ours.events.lock().unwrap().push(event);
                ours.more.notify_waiters();
            }
        });
        said
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for an event that `wanted` finds something in.
    pub(crate) async fn wait_for<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let look = async {
            loop {
                let mut more = std::pin::pin!(self.more.notified());
                more.as_mut().enable();
                if let Some(found) = self.all().iter().find_map(&wanted) {
                    return found;
                }
                more.await;
            }
        };
        let Ok(found) = tokio::time::timeout(PATIENCE, look).await else {
            panic!("it never came; what came: {:#?}", self.all());
        };
        found
    }

    /// Waits for a console line that contains `text`. Returns whose it is, its level and all of it.
    pub(crate) async fn log(&self, text: &str) -> (Option<String>, Level, String) {
        self.wait_for(|event| match event {
            Event::Log { worker, level, message } if message.contains(text) => {
                Some((worker.clone(), *level, message.clone()))
            }
            _ => None,
        })
        .await
    }

    /// Waits for an exception that contains `text`.
    pub(crate) async fn exception(&self, text: &str) -> String {
        self.wait_for(|event| match event {
            Event::Exception { message } if message.contains(text) => Some(message.clone()),
            _ => None,
        })
        .await
    }
}

pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) said: Said,
    http: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl Running {
    /// The same process at another location.
    pub(crate) async fn get_at(&self, location: &str, path: &str) -> Answer {
        let socket = self.http.with_file_name(format!("http-{location}.sock"));
        self.send_to(&socket, Request::get(path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Full::default()).unwrap()).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.send_to(&self.http, request).await
    }

    async fn send_to(&self, socket: &Path, mut request: Request<Full<Bytes>>) -> Answer {
        request.headers_mut().entry("host").or_insert_with(|| "app.test".parse().unwrap());
        let stream = UnixStream::connect(socket).await.unwrap();
        let (mut client, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = client.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Asks until `done` is satisfied.
    pub(crate) async fn get_until(&self, path: &str, done: impl Fn(&Answer) -> bool) -> Answer {
        let ask = async {
            loop {
                let answer = self.get(path).await;
                if done(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(answer) = tokio::time::timeout(PATIENCE, ask).await else {
            panic!("{path} never answered as expected; now {:?}", self.get(path).await);
        };
        answer
    }

    pub(crate) async fn stop(mut self) {
        self.process.stop(PATIENCE).await;
    }
}

async fn serve_storage(listener: UnixListener, asked: Arc<Mutex<Vec<Asked>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let asked = Arc::clone(&asked);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let asked = Arc::clone(&asked);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let request = Asked {
                        method: parts.method.to_string(),
                        target: parts.uri.to_string(),
                        headers: parts.headers,
                        body,
                    };
                    let response = answer(&request);
                    asked.lock().unwrap().push(request);
                    Ok::<_, hyper::Error>(response)
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// As little of each protocol as its binding needs to be content.
fn answer(request: &Asked) -> Response<Full<Bytes>> {
    let resource = request.header("x-selvedge-resource").join(",");
    let object = r#"{"name":"k","version":"1","etag":"e","size":5,"uploaded":1,"checksums":{}}"#;
    match resource.split('/').next() {
        Some("kv") => Response::new(Full::from(["value of ", &resource].concat())),
        Some("d1") => {
            let reply =
                r#"[{"success":true,"results":{"columns":["n"],"rows":[[7]]},"meta":{"duration":0}}]"#;
            Response::new(Full::from(reply))
        }
        Some("r2") if request.method == "PUT" => Response::new(Full::from(object)),
        Some("r2") => Response::builder()
            .header("CF-R2-Metadata-Size", object.len())
            .body(Full::from([object, "bytes"].concat()))
            .unwrap(),
        _ => Response::builder().status(500).body(Full::default()).unwrap(),
    }
}

/// Now, as JavaScript counts.
pub(crate) fn now() -> u64 {
    SystemClock.now().0
}
