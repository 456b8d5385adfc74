//! The commands that work on stored data: on a running node and directly on its directory, with the same words.

use serde_json::{Value, json};

use crate::support::{Project, run_apart};

const CONFIG: &str = r#"
name = "app"
main = "index.js"
compatibility_date = "2026-11-01"
[[kv_namespaces]]
binding = "KV"
id = "sessions"
"#;

const WORKER: &str = r"export default {
  async fetch(request, env) {
    const { value, metadata } = await env.KV.getWithMetadata(new URL(request.url).pathname.slice(1));
    return Response.json({ value, metadata });
  }
};";

fn project() -> Project {
    Project::new(&[("wrangler.toml", CONFIG), ("index.js", WORKER)])
}

async fn selvedge(project: &Project, arguments: &[&str]) -> String {
    let (code, out, talk) = run_apart(project.path(), arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {talk}");
    out
}

async fn selvedge_json(project: &Project, arguments: &[&str]) -> Value {
    let out = selvedge(project, arguments).await;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

#[tokio::test]
async fn kv_keys_are_the_same_through_the_node_the_tool_and_the_worker() {
    let project = project();
    let node = project.dev(&[]).await;
    let put = ["kv", "key", "put", "a/b key", "värde", "--binding", "KV", "--metadata", r#"{"n":1}"#];
    selvedge(&project, &put).await;
    let reply = node.get("/a%2Fb%20key").await;
    assert_ne!(reply.json()["value"], json!("värde"), "the Worker looks for the encoded name");
    let listed = selvedge_json(&project, &["kv", "key", "list", "--binding", "KV"]).await;
    assert_eq!(listed, json!([{ "name": "a/b key", "metadata": { "n": 1 } }]));
    selvedge(&project, &["kv", "key", "put", "plain", "1", "--namespace-id", "sessions"]).await;
    assert_eq!(node.get("/plain").await.json()["value"], json!("1"));
    node.stop().await;

    // The node is gone: the same words work on its directory.
    assert_eq!(selvedge(&project, &["kv", "key", "get", "a/b key", "--binding", "KV"]).await, "värde");
    selvedge(&project, &["kv", "key", "delete", "plain", "--binding", "KV"]).await;
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "get", "plain", "--binding", "KV"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("key not found"), "{talk}");
}

#[tokio::test]
async fn kv_bulk_files_go_in_and_out() {
    let project = project();
    let place = ["--persist-to", "data"];
    let made: Value =
        selvedge_json(&project, &[&["kv", "namespace", "create", "cache", "--json"], &place[..]].concat())
            .await;
    let id = made["id"].as_str().unwrap();
    let namespace = ["--namespace-id", id, "--persist-to", "data"];
    project.write(
        "pairs.json",
        r#"[{"key": "a", "value": "1"}, {"key": "b", "value": "/w==", "base64": true, "metadata": [1]}]"#,
    );
    selvedge(&project, &[&["kv", "bulk", "put", "pairs.json"], &namespace[..]].concat()).await;
    let exported = selvedge_json(&project, &[&["kv", "bulk", "export"], &namespace[..]].concat()).await;
    let pairs: Value = serde_json::from_str(&project.read("pairs.json")).unwrap();
    assert_eq!(exported, pairs);
    project.write("keys.json", r#"["a", {"name": "none"}]"#);
    let got = selvedge_json(&project, &[&["kv", "bulk", "get", "keys.json"], &namespace[..]].concat()).await;
    assert_eq!(got, json!({ "a": "1", "none": null }));
    selvedge(&project, &[&["kv", "bulk", "delete", "keys.json"], &namespace[..]].concat()).await;
    let left = selvedge_json(&project, &[&["kv", "key", "list"], &namespace[..]].concat()).await;
    assert_eq!(left, json!([{ "name": "b", "metadata": [1] }]));

    project.write("pairs.json", r#"[{"key": "ok", "value": "1"}, {"key": "..", "value": "2"}]"#);
    let bulk = [&["kv", "bulk", "put", "pairs.json"], &namespace[..]].concat();
    let (code, _, talk) = run_apart(project.path(), &bulk).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("Illegal key name") && talk.contains("1 of 2 keys were refused"), "{talk}");
}

#[tokio::test]
async fn what_cannot_be_is_answered_with_what_to_do() {
    let project = project();
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "list", "--binding", "KV"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("there is no data directory"), "{talk}");
    let nothing = ["kv", "key", "list", "--binding", "NO", "--persist-to", "."];
    let (code, _, talk) = run_apart(project.path(), &nothing).await;
    assert_eq!(code, Some(2));
    assert!(talk.contains("no KV namespace with the binding \"NO\""), "{talk}");
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "list"]).await;
    assert_eq!(code, Some(2));
    assert!(talk.contains("--binding"), "{talk}");
}
