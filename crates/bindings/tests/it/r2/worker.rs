//! The cases of `worker.js` in a real workerd.
//!
//! `expected.json` was compared with what `wrangler dev` 4.86.0 answers to the same Worker. They are alike but
//! for three things: its simulator has no storage classes, gives `{}` for metadata that a listing did not ask
//! for, and breaks down on a range without a byte. `SELVEDGE_R2_ANSWERS` names a file to write the answers to,
//! for doing that again.

use http::Method;

use super::start;
use crate::support::{Config, Workerd, assert_same};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_r2() {
    let service = start().await;
    let config = Config {
        worker: include_str!("worker.js"),
        bindings: r#"(name = "BUCKET", r2Bucket = "ours")"#,
        ..Config::default()
    };
    let workerd = Workerd::start(&service, config).await;
    let answer = workerd.ask(Method::GET, "").await;
    if let Some(path) = std::env::var_os("SELVEDGE_R2_ANSWERS") {
        std::fs::write(path, serde_json::to_vec_pretty(&answer).unwrap()).unwrap();
    }
    assert_same(&serde_json::from_str(include_str!("expected.json")).unwrap(), &answer);
}
