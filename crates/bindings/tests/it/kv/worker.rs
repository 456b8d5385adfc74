//! The cases of `worker.js` in a real workerd. `expected.json` is what workerd's own bundled KV answers to the
//! same Worker (and Miniflare's, which differs from it in the cache status, in the cursor, which it does not
//! check, and in bulk JSON of falsy values, which it returns without their metadata), but for these places:
//!
//! - `cacheTtl/cacheStatus`: nothing is cached here, so there is no status, as in Miniflare.
//! - `oddKeys/"nul\0nul"`: the bundled KV does not find a prefix that holds a NUL.
//! - `metadata/del`: the runtime puts a DEL as it is into the header that carries the metadata. HTTP forbids
//!   that, and hyper refuses the request before this code sees it.

use http::Method;

use super::start;
use crate::support::{Config, Workerd, assert_same};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_kv() {
    let service = start().await;
    let config = Config {
        worker: include_str!("worker.js"),
        bindings: r#"(name = "KV", kvNamespace = "ours")"#,
        ..Config::default()
    };
    let workerd = Workerd::start(&service, config).await;
    let answer = workerd.ask(Method::GET, "").await;
    assert_same(&serde_json::from_str(include_str!("expected.json")).unwrap(), &answer);
}
