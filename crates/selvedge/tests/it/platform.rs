//! Real apps, unmodified: what the platform gives a Worker beside storage, objects, chat, RPC, Hono.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Node, Project};

/// Asks until the answer is what is waited for: queues, crons, alarms and workflows take their time.
async fn eventually(node: &Client, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let answer = node.get(path).await.json();
        if wanted(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} never became what it should: {}", node.get(path).await.text());
}

async fn platform() -> (Project, Node) {
    let project = Project::copy("fixtures/workers/platform");
    project.write(".dev.vars", &project.read(".dev.vars.example"));
    let node = project.dev(&[]).await;
    (project, node)
}

#[tokio::test]
async fn modules_variables_and_node_are_there() {
    let (_project, node) = platform().await;
    let vars =
        json!({"greeting": "hello", "limits": {"users": 3, "tags": ["a", "b"]}, "secret": "from .dev.vars"});
    assert_eq!(node.get("/vars").await.json(), vars);
    assert_eq!(
        node.get("/modules").await.json(),
        json!({"text": "A text module.\nWith two lines.\n", "sql": "SELECT 1;\n", "bytes": [0, 1, 2, 253, 254, 255],
               "json": {"from": "a JSON module"}, "wasm": 42})
    );
    let built_in = node.get("/node").await.json();
    assert_eq!(built_in["base64"], "aMOpbGxv");
    assert_eq!(built_in["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let version = node.get("/version").await.json();
    assert_eq!(version, json!({"id": "string", "tag": "string", "timestamp": "string"}));
    node.stop().await;
}

#[tokio::test]
async fn assets_are_served_in_front_of_the_worker() {
    let (_project, node) = platform().await;
    let index = node.get("/").await;
    assert!(index.header("content-type").starts_with("text/html"));
    assert!(node.get("/style.css").await.header("content-type").starts_with("text/css"));
    let docs = node.get("/docs").await;
    assert_eq!((docs.status.as_u16(), docs.header("location")), (307, "/docs/"));
    let missing = node.get("/no/such/page").await;
    assert_eq!(missing.status, 404);
    assert!(missing.header("content-type").starts_with("text/html"), "{}", missing.text());
    node.stop().await;
}

#[tokio::test]
async fn the_front_door_says_who_is_calling_and_streams() {
    let (_project, node) = platform().await;
    assert!(node.get("/cf").await.json()["colo"].is_string());
    let headers = [("cf-connecting-ip", "6.6.6.6"), ("x-forwarded-for", "9.9.9.9"), ("x-mine", "1")];
    let seen = node.send(Method::GET, "/headers", &headers, "").await.json();
    assert_eq!(seen["cf-connecting-ip"], "127.0.0.1", "it cannot be made up: {seen}");
    assert_eq!(seen["x-forwarded-for"], "9.9.9.9,127.0.0.1", "{seen}");
    assert_eq!((seen["x-mine"].as_str(), seen["x-forwarded-proto"].as_str()), (Some("1"), Some("http")));
    assert!(seen["cf-ray"].is_string() && seen.get("x-selvedge-cf").is_none(), "{seen}");
    assert_eq!(node.get("/stream?n=3").await.text(), "chunk 1\nchunk 2\nchunk 3\n");
    let megabytes = "0123456789abcdef".repeat(200_000);
    assert!(node.post("/echo", megabytes.clone()).await.body == megabytes);
    assert_eq!(node.post("/size", megabytes).await.text().trim(), "3200000");
    let teapot = node.get("/status/418").await;
    assert_eq!(teapot.status, 418);
    assert_eq!(teapot.headers.get_all("set-cookie").iter().count(), 2);
    let packed = node.send(Method::GET, "/gzip", &[("accept-encoding", "gzip")], "").await;
    assert_eq!((packed.header("content-encoding"), &packed.body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    let moved = node.get("/redirect").await;
    assert!(moved.status == 302 && moved.header("location").ends_with("/url"));
    node.stop().await;
}

#[tokio::test]
async fn an_exception_is_shown_with_the_place_in_the_source() {
    let (_project, mut node) = platform().await;
    let page = node.send(Method::GET, "/throw", &[("accept", "text/html")], "").await;
    assert_eq!(page.status, 500);
    assert!(
        page.text().contains("the order has no items") && page.text().contains("fails.ts:8"),
        "{}",
        page.text()
    );
    assert!(page.header("content-type").starts_with("text/html"));
    let text = node.get("/throw").await.text();
    assert!(text.contains("the order has no items"), "{text}");
    node.said("uncaught exception").await;
    assert!(node.output().contains("fails.ts:8"), "{}", node.output());
    assert_eq!(node.get("/log/seven").await.text(), "logged");
    node.said("[platform] log seven").await;
    node.stop().await;
}

#[tokio::test]
async fn queues_workflows_and_background_work_are_done() {
    let (project, node) = platform().await;
    assert_eq!(node.post("/later/x", "").await.status, 202);
    eventually(&node, "/later", |v| v["x"] == "done").await;
    assert_eq!(node.post("/jobs", r#"[{"id":"a"},{"id":"b"},{"id":"bad","fail":true}]"#).await.status, 202);
    eventually(&node, "/jobs", |v| v["a"]["attempts"] == 1 && v["b"]["attempts"] == 1).await;
    let done = eventually(&node, "/jobs", |v| v["bad"].is_object()).await;
    assert_eq!(done["bad"]["queue"], "jobs-dead");
    assert_eq!(node.post("/workflow/w1", "").await.status, 202);
    let finished = eventually(&node, "/workflow/w1", |v| v["status"] == "complete").await;
    assert_eq!(finished["marks"], json!(["created", "greeted"]), "{finished}");
    node.stop().await;
    // All of it is on disk.
    let node = project.dev(&[]).await;
    assert_eq!(node.get("/workflow/w1").await.json()["status"], "complete");
    node.stop().await;
}

#[tokio::test]
async fn the_cache_api_does_not_fail() {
    let (_project, node) = platform().await;
    assert_eq!(node.send(Method::PUT, "/cache/k", &[], "kept").await.status, 204);
    // There is no cache in dev: a miss, as after an eviction.
    assert_eq!(node.get("/cache/k").await.status, 404);
    node.stop().await;
}

#[tokio::test]
async fn objects_keep_ids_storage_and_alarms() {
    let project = Project::copy("fixtures/workers/objects");
    let node = project.dev(&[]).await;
    let by_name = node.get("/ids/name?name=a").await.json();
    assert_eq!(by_name["same"], true);
    let unique_key = std::fs::read_dir(project.path().join(".selvedge/objects")).unwrap();
    let unique_key =
        unique_key.map(|e| e.unwrap().file_name().into_string().unwrap()).find(|n| n.starts_with("objects-"));
    assert_eq!(by_name["id"], id_from_name(&unique_key.unwrap_or_else(|| "objects-Thing".to_owned()), "a"));

    let unique = node.get("/ids/new").await.json().as_str().unwrap().to_owned();
    assert_eq!(unique.len(), 64);
    assert_eq!(node.get(&format!("/ids/string?id={unique}")).await.json(), Value::String(unique));
    assert_eq!(node.get(&format!("/ids/string?id={}", "0".repeat(64))).await.status, 400);

    assert_eq!(node.post("/thing/a/count", "").await.text(), "1");
    assert_eq!(node.post("/thing/a/memory", "").await.text(), "1");
    assert_eq!(node.post("/thing/a/deposit?to=ann&amount=5", "").await.text(), "5");
    let refused = node.post("/thing/a/transfer?from=ann&to=bob&amount=9", "").await;
    assert!(
        refused.status == 500 && refused.text().contains("CHECK constraint failed"),
        "{}",
        refused.text()
    );
    assert_eq!(node.get("/thing/a/balances").await.json()["ann"], 5);

    // An outside connection to an object's file would break its deleteAll(): only workerd may have one.
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.id())).unwrap();
    let open: Vec<_> = open.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok()).collect();
    assert!(open.iter().any(|path| path.ends_with("catalog.sqlite")), "{open:?}");
    assert!(!open.iter().any(|path| path.to_string_lossy().contains("/objects/")), "{open:?}");

    node.post("/thing/a/alarm?ms=50", "").await;
    eventually(&node, "/thing/a/alarm", |v| v["ran"].as_array().is_some_and(|r| r.len() == 1)).await;
    // This one is due while nobody is there.
    node.post("/thing/a/alarm?ms=1500", "").await;
    node.kill().await;
    let node = project.dev(&[]).await;
    eventually(&node, "/thing/a/alarm", |v| v["ran"].as_array().is_some_and(|r| r.len() == 2)).await;
    assert_eq!(node.post("/thing/a/count", "").await.text(), "2");
    assert_eq!(node.post("/thing/a/memory", "").await.text(), "1");
    assert_eq!(node.get("/thing/a/balances").await.json()["ann"], 5);
    node.stop().await;
}

/// How Cloudflare derives an id from a name: reference/workerd-protocols.md, 4.1.
fn id_from_name(unique_key: &str, name: &str) -> String {
    let key = Sha256::digest(unique_key);
    let half = |data: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(data);
        mac.finalize().into_bytes()[..16].to_vec()
    };
    let first = half(name.as_bytes());
    let second = half(&first);
    hex::encode([first, second].concat())
}

#[tokio::test]
async fn an_rpc_app_of_two_workers_runs() {
    let project = Project::copy("fixtures/workers/rpc");
    let node = project.dev(&["--config", "api/wrangler.jsonc", "--config", "backend/wrangler.jsonc"]).await;
    let report = node.get("/check").await.json();
    assert_eq!(report["ok"], true, "{report:#}\n{}", node.output());
    assert_eq!(report["results"].as_array().unwrap().len(), 21);
    let first = node.get("/add?name=n&n=2").await.text();
    let second = node.get("/add?name=n&n=3").await.text();
    assert_ne!(first, second);
    node.stop().await;
}

#[tokio::test]
async fn hono_runs_with_kv_and_d1() {
    let project = Project::copy("fixtures/workers/hono");
    let node = project.dev(&[]).await;
    let home = node.get("/").await;
    assert_eq!((home.text().as_str(), home.header("x-served-by")), ("<h1>Hono</h1>", "hono"));
    assert_eq!(node.get("/hello/mario?shout=1").await.json()["message"], "Ciao, mario!");
    assert_eq!(node.send(Method::PUT, "/kv/k", &[], "v").await.status, 204);
    assert_eq!(node.get("/kv/k").await.text(), "v");
    let json = [("content-type", "application/json")];
    let note = node.send(Method::POST, "/notes", &json, r#"{"text":"one"}"#).await;
    assert_eq!((note.status.as_u16(), &note.json()["id"]), (201, &json!(1)));
    assert_eq!(node.get("/notes/1").await.json()["text"], "one");
    assert_eq!(node.send(Method::POST, "/notes", &json, r#"{"text":""}"#).await.status, 500);
    assert_eq!(node.get("/throws").await.status, 418);
    node.stop().await;
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn join(node: &Client, name: &str) -> Socket {
    let url = format!("ws://{}/room/r/ws?name={name}", node.address());
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

/// The next event of this kind.
async fn hear(socket: &mut Socket, kind: &str) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_mins(1), socket.next()).await;
        let Message::Text(text) = message.expect("in time").expect("open").unwrap() else { continue };
        let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
        if event["type"] == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn a_chat_goes_on_after_its_object_hibernated() {
    let project = Project::copy("fixtures/workers/chat");
    let node = project.dev(&[]).await;
    let (mut ann, mut bob) = (join(&node, "ann").await, join(&node, "bob").await);
    hear(&mut bob, "history").await;
    ann.send(Message::text(r#"{"text":"hi"}"#)).await.unwrap();
    assert_eq!(hear(&mut bob, "said").await["text"], "hi");
    let before = node.get("/room/r/status").await.json();
    // workerd lets go of an idle object after ten seconds; its sockets stay.
    let mut after = before.clone();
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(11)).await;
        after = node.get("/room/r/status").await.json();
        if after["born"] != before["born"] {
            break;
        }
    }
    assert_ne!(after["born"], before["born"], "it was evicted");
    assert_eq!(after["people"], before["people"]);
    ann.send(Message::text(r#"{"to":"bob","text":"psst"}"#)).await.unwrap();
    assert_eq!(hear(&mut bob, "whisper").await["text"], "psst");
    bob.send(Message::text("ping")).await.unwrap();
    ann.close(None).await.unwrap();
    assert_eq!(hear(&mut bob, "left").await["name"], "ann");
    node.stop().await;
}
