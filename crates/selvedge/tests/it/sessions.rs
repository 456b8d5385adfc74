//! D1 sessions on read replicas, through the runtime's own binding.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::support::{Client, Node, Project, client, run_apart};

struct Answer {
    sum: i64,
    served_by: String,
    primary: bool,
    bookmark: Option<String>,
}

impl Client {
    async fn ask(&self, path: &str) -> Answer {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let answer: Value = reply.json();
        let meta = &answer["meta"];
        let primary = meta["served_by_primary"].as_bool().unwrap();
        assert_eq!(meta["served_by_region"], "LOCAL", "{answer}");
        Answer {
            sum: answer["sum"].as_i64().unwrap_or_default(),
            served_by: meta["served_by"].as_str().unwrap().to_owned(),
            primary,
            bookmark: answer["bookmark"].as_str().map(str::to_owned),
        }
    }
}

/// Asks until a replica answers.
async fn replicated(node: &Node, sum: i64) -> Answer {
    for _ in 0..3000 {
        let answer = node.ask("/sum?session=first-unconstrained").await;
        if !answer.primary && answer.sum == sum {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no replica says {sum}");
}

async fn pass_ten_seconds(project: &Project) {
    let (code, _, talk) = run_apart(project.path(), &["clock", "advance", "10"]).await;
    assert_eq!(code, Some(0), "{talk}");
}

#[tokio::test]
async fn a_session_reads_from_a_replica_what_it_may() {
    let project = Project::copy("fixtures/workers/sessions");
    let mut node = project.dev(&[]).await;
    node.get("/setup").await;
    assert!(node.ask("/add?n=1").await.primary);
    pass_ten_seconds(&project).await;
    let one = replicated(&node, 1).await;
    assert_eq!(one.served_by, "selvedge-replica-1");

    // From here on the replica has one entry and the primary two, until time is told to pass.
    let two = node.ask("/add?n=2&session=first-unconstrained").await;
    assert!(two.primary && two.bookmark > one.bookmark, "a write is the primary's");
    for free in ["/sum?session=first-unconstrained", "/sum?session=", "/batch?session="] {
        let old = node.ask(free).await;
        assert_eq!((old.sum, old.primary, old.bookmark), (1, false, one.bookmark.clone()), "{free}");
    }
    for strict in ["/sum", "/sum?session=first-primary", "/batch?session=first-primary"] {
        let new = node.ask(strict).await;
        assert_eq!((new.sum, new.primary), (3, true), "{strict}");
        assert_eq!(new.bookmark, strict.contains("session").then(|| two.bookmark.clone()).flatten());
    }
    let bookmark = two.bookmark.unwrap();
    let (waits, path) = (client(node.address()), format!("/sum?session={bookmark}"));
    let waits = tokio::spawn(async move { waits.ask(&path).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waits.is_finished(), "the replica does not have the bookmark");
    pass_ten_seconds(&project).await;
    let own = waits.await.unwrap();
    assert_eq!((own.sum, own.primary, own.bookmark), (3, false, Some(bookmark)));

    // More of them and without a lag, by a reload.
    project.write("selvedge.toml", "[d1.DB]\nreplicas = 2\n");
    node.said("Reloaded").await;
    for n in 4..10 {
        let own = node.ask(&format!("/own?n={n}&session=first-primary")).await;
        assert_eq!(
            (own.sum, own.primary),
            ((4..=n).sum::<i64>() + 3, false),
            "a session reads what it wrote"
        );
    }
    node.kill().await;
    let node = project.dev(&[]).await;
    assert_eq!(replicated(&node, 42).await.bookmark, node.ask("/sum?session=first-primary").await.bookmark);
    node.stop().await;
}

/// `kill -9` while there are writes, and what the replicas are like afterwards. `SELVEDGE_REPLICA_ROUNDS` says how
/// often.
#[tokio::test]
async fn replicas_carry_on_after_kill_9() {
    let rounds =
        std::env::var("SELVEDGE_REPLICA_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let project = Project::copy("fixtures/workers/sessions");
    project.write("selvedge.toml", "[d1.DB]\nreplicas = 2\n");
    let added = Arc::new(AtomicI64::new(0));
    for round in 0..rounds {
        let node = project.dev(&[]).await;
        node.get("/setup").await;
        let primary = node.ask("/sum?session=first-primary").await;
        assert!(primary.sum >= added.load(Ordering::Relaxed), "what was answered is there");
        added.store(primary.sum, Ordering::Relaxed);
        // Both of them, in turn.
        for _ in 0..2 {
            assert_eq!(replicated(&node, primary.sum).await.bookmark, primary.bookmark, "round {round}");
        }
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let (client, added) = (client(node.address()), Arc::clone(&added));
                tokio::spawn(async move {
                    while let Ok(reply) = client.try_send(Method::GET, "/add?n=1", &[], Bytes::new()).await {
                        added.fetch_add(i64::from(reply.status == 200), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(150 + round % 7 * 40)).await;
        node.kill().await;
        for writer in writers {
            writer.await.unwrap();
        }
    }
    assert!(added.load(Ordering::Relaxed) > 0);
}
