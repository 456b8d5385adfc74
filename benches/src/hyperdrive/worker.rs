//! From a Worker: a connection for each request, by a relay straight to the database, by the pool, and by the cache.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use selvedge_databases::Postgres;

use super::database::Database as _;
use super::proxy::{CACHED, DIRECT, POOLED};
use super::{Arguments, Row, medians};
use crate::contestant::{Contestant, Kit};
use crate::{load, usage};

/// Binding, and what it is called in the table.
const WAYS: [(&str, &str); 3] = [("pooled", POOLED), ("direct", DIRECT), ("cached", CACHED)];
const ACCOUNTS: u64 = 1000;
const NAME: &str = "from a Worker, a connection each";

pub(super) async fn compare(arguments: &Arguments, selvedge: &Path, postgres: &Postgres) -> Result<Vec<Row>> {
    if !arguments.wants(NAME) {
        return Ok(Vec::new());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let url = postgres.url();
    let names =
        WAYS.map(|(way, _)| format!("CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_{}", way.to_uppercase()));
    let kit = Kit {
        selvedge: selvedge.to_owned(),
        npm: root.clone(),
        peers: root.join("fixtures/peers"),
        worker: root.join("fixtures/workers/hyperdrive-bench"),
        environment: names.map(|name| (name, url.clone())).to_vec(),
        alive: "/pooled",
        ready: "/cached",
    };
    let running = kit.start(Contestant::Selvedge).await?;
    let (id, address) = (running.id()?, running.address);
    let mut rows = Vec::new();
    for &connections in &arguments.connections {
        let one_run = |&(way, contestant): &(&'static str, &'static str), time: Duration| {
            let request: Arc<load::Request> = Arc::new(move |n: u64| {
                let path = format!("/{way}?aid={}", 1 + n % ACCOUNTS);
                crate::workload::request_bytes("GET", &path, &[])
            });
            let before = usage::of_tree(id).cpu_seconds;
            let run = load::run(address, connections, time, request);
            let outcome = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run))?;
            let used = usage::of_tree(id).cpu_seconds - before;
            let ms = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
            anyhow::Ok(Row {
                workload: NAME.to_owned(),
                clients: connections,
                contestant,
                transactions_per_second: outcome.per_second(),
                p50_ms: ms(0.5),
                p99_ms: ms(0.99),
                errors: outcome.errors,
                pooler_cpu_us: Some(used * 1e6 / outcome.latency.len().max(1) as f64),
            })
        };
        for way in &WAYS {
            one_run(way, Duration::from_secs(1))?;
        }
        rows.extend(medians(&arguments.turns, &WAYS, |way| one_run(way, arguments.turns.time()))?);
    }
    running.stop().await?;
    eprintln!("measured {NAME}");
    Ok(rows)
}
