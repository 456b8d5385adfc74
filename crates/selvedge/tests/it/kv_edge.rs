//! Namespaces with locations, from the request's header to the moved clock.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Client, Node, Project, client, run_apart};

impl Client {
    async fn at(&self, colo: &str, method: Method, path: &str) -> (u16, String) {
        let reply = self.send(method, path, &[("CF-Colo", colo)], "").await;
        (reply.status.as_u16(), reply.text())
    }
}

async fn advance(project: &Project, seconds: u64) -> Value {
    let (code, out, talk) = run_apart(project.path(), &["clock", "advance", &seconds.to_string()]).await;
    assert_eq!(code, Some(0), "{talk}");
    serde_json::from_str(&out).unwrap()
}

/// Whether the example's check passes, and the last of its results.
async fn check(node: &Node, store: &str) -> (bool, Value) {
    let report = node.get(&format!("/check?store={store}")).await.json();
    let results = report["results"].as_array().unwrap();
    assert!(results[..3].iter().all(|result| result["ok"] == true), "{report:#}");
    (report["ok"] == true, results[3].clone())
}

#[tokio::test]
async fn a_stale_subscription_in_kv_and_none_in_d1() {
    let project = Project::copy("examples/kv-consistency");
    let node = project.dev(&[]).await;
    let (passes, tokyo) = check(&node, "kv").await;
    assert!(!passes && tokyo["detail"].as_str().unwrap().starts_with("402 "), "{tokyo}");
    let (passes, tokyo) = check(&node, "d1").await;
    assert!(passes, "{tokyo}");

    let (premium, free) = ("/premium?user=ada&store=kv", (402, "ada has the plan free".to_owned()));
    assert_eq!(node.at("NRT", Method::GET, premium).await, free);
    assert_eq!(node.at("AMS", Method::POST, "/pay?user=ada&store=kv").await.0, 200);
    let paid = (200, "ada has the plan premium".to_owned());
    assert_eq!(node.at("AMS", Method::GET, premium).await, paid);
    assert_eq!(node.at("NRT", Method::GET, premium).await, free);
    assert_eq!(advance(&project, 60).await["ahead_seconds"], json!(60));
    assert_eq!(node.at("NRT", Method::GET, premium).await, paid);
    node.stop().await;
}

#[tokio::test]
async fn a_request_is_at_the_location_of_its_header_or_its_port() {
    let project = Project::copy("examples/kv-consistency");
    let mut node = project.dev(&["--colo", "sjc:0"]).await;
    let line = node.said("SJC on http://").await;
    let port = client(line.split("http://").nth(1).unwrap().trim());
    assert_eq!(node.get("/where").await.text(), "SJC", "the command line's come first");
    assert_eq!(port.get("/where").await.text(), "SJC");
    for colo in ["AMS", "NRT"] {
        assert_eq!(node.at(colo, Method::GET, "/where").await, (200, colo.to_owned()));
        assert_eq!(port.at(colo, Method::GET, "/where").await, (200, colo.to_owned()));
        let reply = node.send(Method::GET, "/where", &[("CF-Colo", colo)], "").await;
        assert!(reply.header("cf-ray").ends_with(&format!("-{colo}")));
    }
    let (status, text) = node.at("XYZ", Method::GET, "/where").await;
    assert!(status == 400 && text.contains("SJC, AMS, NRT"), "{text}");

    // A reload takes a location away, and brings one.
    project.write("selvedge.toml", "[kv.SUBSCRIPTIONS]\nconsistency = \"edge\"\nlocations = [\"LHR\"]\n");
    node.said("Reloaded").await;
    assert_eq!(node.at("LHR", Method::GET, "/where").await, (200, "LHR".to_owned()));
    assert_eq!(node.at("AMS", Method::GET, "/where").await.0, 400);
    node.stop().await;
}

#[tokio::test]
async fn without_a_node_there_is_no_clock_to_move() {
    let project = Project::copy("examples/kv-consistency");
    std::fs::create_dir(project.path().join(".selvedge")).unwrap();
    let (code, _, talk) = run_apart(project.path(), &["clock", "show"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("no node runs"), "{talk}");
}
