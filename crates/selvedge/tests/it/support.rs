//! A real `selvedge`, started as a user starts it, and a small HTTP client to talk to it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Notify;

/// Long enough for a slow machine that also installs something; nothing asserts on it.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A copy of a project that a test may change, with its data beside it.
pub(crate) struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    /// Copies `path`, relative to the repository, without what runs left in it.
    pub(crate) fn copy(path: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(&repository().join(path), directory.path());
        Self { directory }
    }

    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// `selvedge dev` on this project, once it answers.
    pub(crate) async fn dev(&self, arguments: &[&str]) -> Node {
        let mut node = self.start(arguments);
        node.ready().await;
        node
    }

    /// `selvedge dev` on this project, not waited for.
    pub(crate) fn start(&self, arguments: &[&str]) -> Node {
        let mut all = vec!["dev", ".", "--port", "0"];
        all.extend(arguments);
        Node::start(self.path(), &all)
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if [".selvedge", ".wrangler", "node_modules"].iter().any(|skip| name == *skip) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What a process has printed so far.
#[derive(Default)]
struct Output {
    text: Mutex<String>,
    grew: Notify,
}

/// Talks HTTP to an address.
#[derive(Default)]
pub(crate) struct Client {
    address: String,
}

pub(crate) fn client(address: &str) -> Client {
    Client { address: address.to_owned() }
}

/// A running `selvedge`. Killed when dropped.
pub(crate) struct Node {
    child: Child,
    output: Arc<Output>,
    client: Client,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl Node {
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::start_with(directory, arguments, &[])
    }

    /// As [`Node::start`], with variables in its environment.
    #[expect(clippy::disallowed_methods, reason = "a test starts the binary as a user does")]
    pub(crate) fn start_with(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_selvedge"))
            .args(arguments)
            .current_dir(directory)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = Arc::new(Output::default());
        gather(child.stdout.take().unwrap(), Arc::clone(&output));
        gather(child.stderr.take().unwrap(), Arc::clone(&output));
        Self { child, output, client: Client::default() }
    }

    pub(crate) async fn ready(&mut self) {
        let line = self.said("Ready on http://").await;
        self.address_from(&line);
    }

    /// Waits until it listens, though there is nothing to serve yet.
    pub(crate) async fn listening(&mut self) {
        let line = self.said("Waiting for a change; http://").await;
        self.address_from(&line);
    }

    fn address_from(&mut self, line: &str) {
        let address = line.split("http://").nth(1).unwrap();
        self.client = client(address.split_whitespace().next().unwrap());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// As `said_times`, but does not notice that the process ended.
    pub(crate) async fn printed(&self, words: &str, times: usize) {
        let wait = async {
            loop {
                let grew = self.output.grew.notified();
                if self.output().lines().filter(|l| l.contains(words)).count() >= times {
                    return;
                }
                grew.await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "never printed {words:?} ({times} times):\n{}", self.output());
    }

    /// Everything printed so far.
    pub(crate) fn output(&self) -> String {
        self.output.text.lock().unwrap().clone()
    }

    /// Waits for a line that contains `words`, and answers it.
    pub(crate) async fn said(&mut self, words: &str) -> String {
        self.said_times(words, 1).await
    }

    /// Waits until `words` were said `times` times, and answers the last such line.
    pub(crate) async fn said_times(&mut self, words: &str, times: usize) -> String {
        let wait = async {
            loop {
                let grew = self.output.grew.notified();
                let found =
                    self.output().lines().filter(|l| l.contains(words)).nth(times - 1).map(str::to_owned);
                if let Some(line) = found {
                    return Some(line);
                }
                tokio::select! {
                    () = grew => {}
                    _ = self.child.wait() => {
                        // What it said last may still be on its way.
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        return self.output().lines().filter(|l| l.contains(words)).nth(times - 1).map(str::to_owned);
                    }
                }
            }
        };
        let line = tokio::time::timeout(PATIENCE, wait).await.ok().flatten();
        line.unwrap_or_else(|| panic!("never said {words:?} ({times} times):\n{}", self.output()))
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(i32::try_from(self.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }

    /// Stops it as Ctrl-C does, and checks that it ends well.
    pub(crate) async fn stop(mut self) -> String {
        self.signal(rustix::process::Signal::INT);
        let status = self.exit().await;
        assert!(status.success(), "{status}\n{}", self.output());
        self.output()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl std::ops::Deref for Node {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Client {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send(Method::POST, path, &[], body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.try_send(method.clone(), path, headers, body)
            .await
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// As `send`, for when the node may be gone.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", &self.address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let exchange = async {
            let response = sender.send_request(request.body(Full::new(body.into()))?).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Reply { status: head.status, headers: head.headers, body })
        };
        let reply = tokio::time::timeout(PATIENCE, exchange).await?;
        connection.abort();
        reply
    }
}

fn gather(stream: impl AsyncRead + Unpin + Send + 'static, output: Arc<Output>) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = output.text.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
            drop(text);
            output.grew.notify_waiters();
        }
    });
}

/// Runs `selvedge` to its end: exit code, stdout and stderr together.
pub(crate) async fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut node = Node::start(directory, arguments);
    let status = node.exit().await;
    // The pipes may still hold the last lines.
    tokio::time::sleep(Duration::from_millis(100)).await;
    (status.code(), node.output())
}

/// Runs `selvedge` to its end: exit code, stdout, stderr.
pub(crate) async fn run_apart(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    run_with(directory, arguments, &[]).await
}

/// As [`run_apart`], with more in its environment.
#[expect(clippy::disallowed_methods, reason = "a test starts the binary as a user does")]
pub(crate) async fn run_with(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_selvedge"))
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
