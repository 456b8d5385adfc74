//! The KV engine behind its socket, without a runtime in between, beside Redis with the same durability: the server
//! on one core, the load on another.

mod load;
mod memory;
mod protocol;
mod server;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use load::Outcome;
use protocol::{Operation, Protocol};
use server::Server;
pub(crate) use server::serve;
use workload::{Draw, Workload};

use crate::options::{Choice, Output, Turns};
use crate::report;
use crate::workload::spread;

/// Bytes of a usual value.
const SMALL: usize = 288;
/// Bytes of the largest one.
const LARGE: usize = 25 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keys in the namespace.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    #[command(flatten)]
    turns: Turns,
    #[command(flatten)]
    choice: Choice,
    /// Leave Redis out.
    #[arg(long)]
    alone: bool,
    /// Measure memory, and nothing else.
    #[arg(long)]
    memory: bool,
    /// Where the data goes: a directory on the disk that is to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    workload: &'static str,
    connections: usize,
    contestant: &'static str,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    errors: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = match &arguments.directory {
        Some(at) => tempfile::tempdir_in(at)?,
        None => tempfile::tempdir()?,
    };
    // The load shares the machine's other core with nothing of ours.
    let status =
        std::process::Command::new("taskset").args(["-pc", "1", &std::process::id().to_string()]).output();
    status.context("taskset (util-linux) is needed")?;
    let protocols: &[Protocol] =
        if arguments.alone { &[Protocol::Binding] } else { &[Protocol::Binding, Protocol::Redis] };
    let mut servers = Vec::new();
    for protocol in protocols {
        let home = directory.path().join(format!("{protocol:?}"));
        std::fs::create_dir(&home)?;
        servers.push(Server::start(*protocol, &home)?);
    }
    let value = noise(LARGE);
    for server in &servers {
        fill(server, arguments.keys, &value)?;
    }
    if arguments.memory {
        return memory::measure(&servers[0], arguments.keys, &value);
    }
    let mut rows = Vec::new();
    for workload in workload::ALL.iter().filter(|workload| arguments.choice.takes(workload.name)) {
        for connections in workload.connections {
            rows.extend(measure(&servers, *workload, *connections, arguments, &value)?);
        }
        eprintln!("measured {}", workload.name);
    }
    print!("{}", table(&rows));
    arguments.output.save(&rows)
}

/// Puts every key once.
fn fill(server: &Server, keys: u64, value: &[u8]) -> Result<()> {
    let mut all = 0..keys;
    let next = || all.next().map(|n| Operation::Put(spread(n) % keys.max(1), SMALL));
    let mut filled = load::run(&server.socket, server.protocol, 256, Duration::MAX, value, next)?;
    // The spreading misses some.
    let mut all = 0..keys;
    let rest = load::run(&server.socket, server.protocol, 256, Duration::MAX, value, || {
        all.next().map(|n| Operation::Put(n, SMALL))
    })?;
    filled.errors += rest.errors;
    anyhow::ensure!(filled.errors == 0, "{}: {} keys were not stored", server.name(), filled.errors);
    eprintln!(
        "{}: {keys} keys in random order at {:.0}/s, again in order at {:.0}/s",
        server.name(),
        keys as f64 / filled.elapsed.as_secs_f64(),
        keys as f64 / rest.elapsed.as_secs_f64()
    );
    Ok(())
}

fn measure(
    servers: &[Server],
    workload: Workload,
    connections: usize,
    arguments: &Arguments,
    value: &[u8],
) -> Result<Vec<Row>> {
    let mut runs: Vec<Vec<Row>> = servers.iter().map(|_| Vec::new()).collect();
    for (round, time) in arguments.turns.with_warm_up() {
        for (server, mine) in servers.iter().zip(&mut runs) {
            let mut draw = Draw::new(workload, arguments.keys, round);
            let outcome =
                load::run(&server.socket, server.protocol, connections, time, value, || Some(draw.next()))?;
            if round > 0 {
                mine.push(row(workload, connections, server, &outcome));
            }
        }
    }
    Ok(runs.into_iter().map(|mine| report::median(mine, |row| row.requests_per_second)).collect())
}

fn row(workload: Workload, connections: usize, server: &Server, outcome: &Outcome) -> Row {
    let ms = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
    Row {
        workload: workload.name,
        connections,
        contestant: server.name(),
        requests_per_second: outcome.latency.len() as f64 / outcome.elapsed.as_secs_f64(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        errors: outcome.errors,
    }
}

/// The ratio is that of Selvedge to Redis: above one, Selvedge is faster.
fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "| workload | connections | contestant | requests/s | ratio | p50 ms | p99 ms | errors |\n\
         |---|--:|---|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let ours = rows.iter().find(|r| r.workload == row.workload && r.connections == row.connections);
        let ours = ours.filter(|ours| ours.contestant != row.contestant);
        let ratio = ours
            .map_or_else(String::new, |o| format!("{:.2}", o.requests_per_second / row.requests_per_second));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {ratio} | {:.2} | {:.2} | {} |",
            row.workload,
            row.connections,
            row.contestant,
            row.requests_per_second,
            row.p50_ms,
            row.p99_ms,
            row.errors
        );
    }
    out
}

/// Bytes that do not compress, the same in every run.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u64 / 8).flat_map(|n| spread(n).to_le_bytes()).collect()
}
