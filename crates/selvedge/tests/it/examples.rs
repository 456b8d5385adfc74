//! The examples answer as their pages say.

use crate::support::{Node, Project};

/// The samples that an example runs on itself.
async fn check(node: &Node) {
    let report = node.get("/check").await.json();
    let results = report["results"].as_array().unwrap();
    assert!(results.len() > 5, "{report:#}");
    let failed: Vec<_> = results.iter().filter(|r| r["ok"] != true).collect();
    assert!(failed.is_empty() && report["ok"] == true, "{failed:#?}\n{}", node.output());
}

/// Every link of the index page leads somewhere.
async fn follow_links(node: &Node) {
    let page = node.get("/").await;
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.text());
    let text = page.text();
    let links: Vec<&str> = text.split("href=\"").skip(1).filter_map(|s| s.split('"').next()).collect();
    let local: Vec<&str> = links.into_iter().filter(|l| l.starts_with('/')).collect();
    assert!(local.len() > 4, "{text}");
    for link in local {
        let reply = node.get(&link.replace("&amp;", "&")).await;
        assert!(reply.status.as_u16() < 500, "{link}: {} {}\n{}", reply.status, reply.text(), node.output());
    }
}

#[tokio::test]
async fn primitives_shows_every_sample_and_keeps_what_it_stored() {
    let project = Project::copy("examples/primitives");
    let node = project.dev(&[]).await;
    follow_links(&node).await;
    check(&node).await;
    let said = node.stop().await;
    assert!(said.contains("0001_create_users_table.sql"), "migrations are applied at the start: {said}");
    let node = project.dev(&[]).await;
    check(&node).await;
    let said = node.stop().await;
    assert!(!said.contains("0001_create_users_table.sql"), "and only once: {said}");
}

#[tokio::test]
async fn cepat_edge_answers_as_its_decision_record_says() {
    let project = Project::copy("examples/cepat-edge");
    let node = project.dev(&[]).await;
    follow_links(&node).await;
    check(&node).await;
    node.stop().await;
}
