//! The cases of `worker.js` in a real workerd. `expected.json` is what workerd's own bundled KV answers to the
//! same Worker (and Miniflare's, which differs from it in the cache status, in the cursor, which it does not
//! check, and in bulk JSON of falsy values, which it returns without their metadata), but for these places:
//!
//! - `cacheTtl/cacheStatus`: nothing is cached here, so there is no status, as in Miniflare.
//! - `oddKeys/"nul\0nul"`: the bundled KV does not find a prefix that holds a NUL.
//! - `metadata/del`: the runtime puts a DEL as it is into the header that carries the metadata. HTTP forbids
//!   that, and hyper refuses the request before this code sees it.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Service, TOKEN, exchange};

/// A workerd that runs the Worker, killed with the value.
struct Workerd(Child);

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary() -> PathBuf {
    std::env::var_os("SELVEDGE_WORKERD").map(PathBuf::from).expect("SELVEDGE_WORKERD names a workerd binary")
}

#[expect(clippy::disallowed_methods, reason = "the test is what starts the runtime here")]
fn start(directory: &Path) -> Workerd {
    std::fs::write(directory.join("worker.js"), include_str!("worker.js")).unwrap();
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2025-11-01",
      bindings = [(name = "KV", kvNamespace = "sessions")],
    )),
    (name = "sessions", external = (
      address = "unix:{directory}/bindings.sock",
      http = (injectRequestHeaders = [
        (name = "X-Selvedge-Resource", value = "kv/sessions"),
        (name = "X-Selvedge-Token", value = "{TOKEN}"),
      ]),
    )),
  ],
  sockets = [(name = "http", address = "unix:{directory}/http.sock", http = (), service = "main")],
);
"#,
        directory = directory.display()
    );
    let path = directory.join("config.capnp");
    std::fs::write(&path, config).unwrap();
    let child = std::process::Command::new(binary())
        .arg("serve")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    Workerd(child)
}

async fn connect(socket: &Path, workerd: &mut Workerd) -> http1::SendRequest<Full<Bytes>> {
    for _ in 0..1000 {
        if let Ok(stream) = UnixStream::connect(socket).await {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            return sender;
        }
        assert!(workerd.0.try_wait().unwrap().is_none(), "workerd stopped at once");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("workerd does not listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_kv() {
    let service = Service::start().await;
    let mut workerd = start(service.directory.path());
    let mut sender = connect(&service.directory.path().join("http.sock"), &mut workerd).await;
    let expected: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    let request = Request::get("/").header("host", "worker").body(Full::default()).unwrap();
    let answer = exchange(&mut sender, request).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let mut wrong = Vec::new();
    compare("", &expected, &answer, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(place: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
            for name in names {
                let absent = Value::from("<absent>");
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
