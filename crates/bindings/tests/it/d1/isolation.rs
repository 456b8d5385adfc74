//! Many Workers' requests at once, through the binding, in a real workerd: none is lost, none is half done.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use super::start;
use crate::support::{Config, Workerd};

const BINDINGS: &str = r#"
        (name = "OURS", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = "ours")],
        )),
"#;

const REQUESTS: usize = 8;
const TIMES: usize = 50;

async fn ask(workerd: &Workerd, what: &str) -> Value {
    workerd.ask(Method::POST, json!({ "what": what, "times": TIMES }).to_string()).await
}

/// The answers of many requests that are sent at once.
async fn ask_many(workerd: &Workerd, what: &str) -> Vec<Value> {
    let all: Vec<_> = (0..REQUESTS).map(|_| ask(workerd, what)).collect();
    futures_util::future::join_all(all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_lose_nothing_and_leave_nothing_half_done() {
    let service = start().await;
    let config = Config { worker: include_str!("isolation.js"), bindings: BINDINGS, ..Config::default() };
    let workerd = Workerd::start(&service, config).await;
    for sql in [
        "CREATE TABLE counter (n INTEGER)",
        "INSERT INTO counter VALUES (0)",
        "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER CHECK (balance >= 0))",
        "INSERT INTO account VALUES (1, 100000), (2, 0)",
        "CREATE TABLE ledger (amount INTEGER)",
    ] {
        ask(&workerd, sql).await;
    }

    let answers = ask_many(&workerd, "increments").await;
    let seen: Vec<u64> =
        answers.iter().flat_map(|answer| answer.as_array().unwrap()).map(|n| n.as_u64().unwrap()).collect();
    let all = REQUESTS * TIMES;
    assert_eq!(seen.len(), all);
    // Each saw a state of its own.
    assert_eq!(seen.into_iter().collect::<BTreeSet<u64>>(), (1..=all as u64).collect());
    assert_eq!(ask(&workerd, "SELECT n FROM counter").await, json!([{ "n": all }]));

    let answers = ask_many(&workerd, "transfers").await;
    let failed: u64 = answers.iter().map(|answer| answer["failed"].as_u64().unwrap()).sum();
    let succeeded = all as u64 - failed;
    assert!(failed > 100 && succeeded > 100, "{failed} of {all}");
    for answer in &answers {
        assert_eq!(answer["seen"], json!([100_000]), "who looks sees whole transfers");
    }
    assert_eq!(
        ask(&workerd, "SELECT balance FROM account ORDER BY id").await,
        json!([{ "balance": 100_000 - succeeded }, { "balance": succeeded }])
    );
    assert_eq!(
        ask(&workerd, "SELECT count(*) AS n, max(amount) AS m FROM ledger").await,
        json!([{ "n": succeeded, "m": 1 }])
    );
}
