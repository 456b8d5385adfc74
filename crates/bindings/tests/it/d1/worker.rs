//! A Worker in a real workerd, with two databases: ours and workerd's own. Every answer must be the same.

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
    std::fs::create_dir(directory.join("bundled")).unwrap();
    let config = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2025-11-01",
      bindings = [
        (name = "OURS", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = "ours")],
        )),
        (name = "BUNDLED", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = (
            name = "bundled", props = (json = "{{\"database\": \"shop\"}}")
          ))],
        )),
      ],
    )),
    (name = "ours", external = (
      address = "unix:{directory}/bindings.sock",
      http = (injectRequestHeaders = [
        (name = "X-Selvedge-Resource", value = "d1/shop"),
        (name = "X-Selvedge-Token", value = "{TOKEN}"),
      ]),
    )),
    (name = "bundled", worker = (
      modules = [(name = "d1.js", bundled = "/workerd/d1.js")],
      compatibilityDate = "2025-11-01",
      durableObjectNamespaces = [(className = "D1Database", uniqueKey = "d1", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [(name = "DATABASE", durableObjectNamespace = "D1Database")],
    )),
    (name = "disk", disk = (path = "{directory}/bundled", writable = true)),
  ],
  sockets = [(name = "http", address = "unix:{directory}/http.sock", http = (), service = "main")],
);
"#,
        directory = directory.display()
    );
    let path = directory.join("config.capnp");
    std::fs::write(&path, config).unwrap();
    let child = std::process::Command::new(binary())
        .args(["serve", "--experimental"])
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

/// Leaves out of an answer what is each one's own: names, times, and sizes, which depend on hidden tables. The
/// counts of rows are exact in workerd and estimates here.
fn comparable(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let own = ["served_by", "timings", "duration", "size_after", "rows_read", "rows_written"];
            let kept = fields.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), comparable(value))).collect())
        }
        Value::Array(values) => values.iter().map(comparable).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_what_it_sees_in_workerds_own_d1() {
    let service = Service::start().await;
    let mut workerd = start(service.directory.path());
    let socket = service.directory.path().join("http.sock");
    wait_for(&socket, &mut workerd).await;

    let steps: Vec<Value> = serde_json::from_str(include_str!("steps.json")).unwrap();
    // A step with `then` shows its difference in what comes after it.
    let sent: Vec<(Value, bool)> = steps
        .into_iter()
        .flat_map(|step| match step {
            Value::Array(_) => vec![(step, false)],
            step if step.get("then").is_some() => {
                vec![(step["step"].clone(), false), (step["then"].clone(), true)]
            }
            step => vec![(step["step"].clone(), true)],
        })
        .collect();
    let body = Value::Array(sent.iter().map(|(step, _)| step.clone()).collect()).to_string();
    let request = Request::post("/").header("host", "worker").body(Full::new(Bytes::from(body))).unwrap();
    let answers: Vec<Value> = serde_json::from_slice(send(&socket, request).await.body()).unwrap();
    assert_eq!(answers.len(), sent.len());

    let mut wrong = Vec::new();
    for ((step, differs), pair) in sent.iter().zip(&answers) {
        let (ours, bundled) = (comparable(&pair[0]), comparable(&pair[1]));
        if (ours != bundled) != *differs {
            wrong.push(format!("{step}\n    ours    {ours}\n    bundled {bundled}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.join("\n"));
    // The Worker's answer, not an error that both have in common.
    assert_eq!(answers[6][0]["ok"]["results"][2], json!({ "id": 7, "name": "blob", "v": [0, 127, 255] }));
}
