//! The cases of `worker.js` in a real workerd.
//!
//! `expected.json` was compared with what `wrangler dev` 4.86.0 answers to the same Worker. They are alike but
//! for three things: its simulator has no storage classes, gives `{}` for metadata that a listing did not ask
//! for, and breaks down on a range without a byte. `SELVEDGE_R2_ANSWERS` names a file to write the answers to,
//! for doing that again.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Service, TOKEN, send};

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
      bindings = [(name = "BUCKET", r2Bucket = "bucket")],
    )),
    (name = "bucket", external = (
      address = "unix:{directory}/bindings.sock",
      http = (injectRequestHeaders = [
        (name = "X-Selvedge-Resource", value = "r2/photos"),
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

async fn wait_for(socket: &Path, workerd: &mut Workerd) {
    for _ in 0..1000 {
        if tokio::net::UnixStream::connect(socket).await.is_ok() {
            return;
        }
        assert!(workerd.0.try_wait().unwrap().is_none(), "workerd stopped at once");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("workerd does not listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_r2() {
    let service = Service::start().await;
    let mut workerd = start(service.directory.path());
    let socket = service.directory.path().join("http.sock");
    wait_for(&socket, &mut workerd).await;
    let request = Request::get("/").header("host", "worker").body(Full::new(Bytes::new())).unwrap();
    let answer = send(&socket, request).await;
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    if let Some(path) = std::env::var_os("SELVEDGE_R2_ANSWERS") {
        std::fs::write(path, serde_json::to_vec_pretty(&answer).unwrap()).unwrap();
    }
    let expected: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    let mut wrong = Vec::new();
    compare("", &expected, &answer, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(place: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let null = json!("<absent>");
            let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
            for name in names {
                let (expected, found) =
                    (expected.get(name).unwrap_or(&null), found.get(name).unwrap_or(&null));
                compare(&format!("{place}/{name}"), expected, found, wrong);
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
