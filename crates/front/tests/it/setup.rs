//! A front door, a runtime, and a runtime that does what a test tells it to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use selvedge_front::{Front, Pages, RequestLine, RequestLog, Settings, Stopped, Upstream};
use selvedge_workerd::{Bar, Search, Tool};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

/// A front door on a free port.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) log: Arc<Lines>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Stopped>,
}

impl Door {
    pub(crate) async fn open(settings: Settings) -> Self {
        Self::with_pages(settings, None).await
    }

    pub(crate) async fn with_pages(settings: Settings, pages: Option<Arc<dyn Pages>>) -> Self {
        Self::with_port(settings, pages, None).await.0
    }

    /// With a port of its own for a location; its address comes second.
    pub(crate) async fn with_port(
        settings: Settings,
        pages: Option<Arc<dyn Pages>>,
        colo: Option<&str>,
    ) -> (Self, Option<SocketAddr>) {
        let log = Arc::new(Lines::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut front =
            Front::bind(any, settings, pages, Arc::clone(&log) as Arc<dyn RequestLog>).await.unwrap();
        let port = match colo {
            Some(colo) => Some(front.listen_at(any, colo).await.unwrap()),
            None => None,
        };
        let (address, upstream) = (front.local_addr(), front.upstream());
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(front.serve(async {
            let _ = stopped.await;
        }));
        (Self { address, upstream, log, stop: Some(stop), served }, port)
    }

    /// In front of a runtime.
    pub(crate) async fn before(runtime: &Runtime) -> Self {
        let door = Self::open(Settings::default()).await;
        door.upstream.serve_from(runtime.socket.clone());
        door
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(self) -> Stopped {
        self.served.await.unwrap()
    }
}

/// A request in the log: method and target, status, bytes, and whether the answer was complete.
pub(crate) type Line = (String, Option<StatusCode>, u64, bool);

#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<Line>>);

impl RequestLog for Lines {
    fn request(&self, line: &RequestLine<'_>) {
        let what = format!("{} {}", line.method, line.target);
        self.0.lock().unwrap().push((what, line.status, line.bytes, line.complete));
    }
}

impl Lines {
    /// The log once it has `count` lines.
    pub(crate) async fn lines(&self, count: usize) -> Vec<Line> {
        eventually("a line in the log", async || {
            let lines = self.0.lock().unwrap();
            (lines.len() >= count).then(|| lines.clone())
        })
        .await
    }
}

/// For what comes at once if it comes at all: fails where waiting would never end.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it did not come")
}

/// Looks until there is something to see; gives up after much longer than it can take.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2_000 {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} did not come");
}

/// A workerd that runs `worker.js`. Killed when dropped.
pub(crate) struct Runtime {
    pub(crate) socket: PathBuf,
    child: Child,
    _directory: TempDir,
}

impl Runtime {
    pub(crate) async fn start() -> Self {
        Self::named("the Worker").await
    }

    /// `name` is what the Worker answers on `/name`.
    pub(crate) async fn named(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("http.sock");
        std::fs::write(directory.path().join("worker.js"), include_str!("worker.js")).unwrap();
        std::fs::write(directory.path().join("config.capnp"), config(name, &socket)).unwrap();
        let mut child = run(workerd().await, directory.path());
        eventually("workerd", async || {
            assert!(child.try_wait().unwrap().is_none(), "workerd stopped at once");
            UnixStream::connect(&socket).await.ok()
        })
        .await;
        Self { socket, child, _directory: directory }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(name: &str, socket: &Path) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker.js", esModule = embed "worker.js")],
    bindings = [(name = "NAME", text = "{name}")],
    compatibilityDate = "2026-08-01"
  ))],
  sockets = [(
    name = "http", address = "unix:{}", service = "main",
    http = (cfBlobHeader = "{}", forwardedProtoHeader = "x-forwarded-proto")
  )]
);
"#,
        socket.display(),
        selvedge_front::CF_HEADER,
    )
}

#[expect(clippy::disallowed_methods, reason = "a test of the front door alone starts its own runtime")]
fn run(workerd: &Path, directory: &Path) -> Child {
    std::process::Command::new(workerd)
        .args(["serve", "config.capnp"])
        .current_dir(directory)
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn workerd() -> &'static Path {
    static WORKERD: OnceCell<PathBuf> = OnceCell::const_new();
    WORKERD
        .get_or_init(async || {
            let environment: BTreeMap<_, _> = std::env::vars().collect();
            let cache = selvedge_workerd::default_cache(&environment);
            let search = Search { project: None, cache: &cache, environment: &environment };
            selvedge_workerd::locate(Tool::Workerd, &search, &Bar::default()).await.unwrap()
        })
        .await
}

/// A socket that is in a runtime's place, one connection at a time as a test wants it.
pub(crate) struct Stand {
    pub(crate) socket: PathBuf,
    listener: UnixListener,
    _directory: TempDir,
}

impl Stand {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("http.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        Self { socket, listener, _directory: directory }
    }

    pub(crate) async fn accept(&self) -> UnixStream {
        soon(self.listener.accept()).await.unwrap().0
    }
}

/// Closes a connection so that the other side sees it now. Dropping it closes one descriptor, and a process that another
/// test is just starting holds a copy of that until it runs its program.
pub(crate) async fn hang_up(mut stream: UnixStream) {
    stream.shutdown().await.unwrap();
}

/// Reads one head without a body.
pub(crate) async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers with a short text.
pub(crate) async fn answer(stream: &mut UnixStream, text: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}
