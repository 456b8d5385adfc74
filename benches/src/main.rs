//! Measures `selvedge dev` beside bare workerd and `wrangler dev`: the same Worker on each, the same load,
//! one run. Prints a table, and JSON where a script wants it.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool that starts its contestants and prints what it measured"
)]

mod contestant;
mod d1_direct;
mod kv_direct;
mod load;
mod report;
mod usage;
mod workload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

use crate::contestant::{Contestant, Kit, Running};
use crate::report::Row;
use crate::workload::Workload;

/// Measure selvedge dev beside its peers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Who takes part.
    #[arg(long, value_delimiter = ',', default_values = ["selvedge", "workerd", "wrangler"])]
    contestants: Vec<Contestant>,
    /// Only workloads whose name contains this, in any case.
    #[arg(long)]
    only: Option<String>,
    /// Concurrent connections.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    connections: Vec<usize>,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Repeat each measurement this often, in turn, and keep the median by requests/s.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Also write the rows here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Instead: D1's service socket beside rusqlite in this process.
    #[arg(long)]
    d1_direct: bool,
    /// Where the peers are installed.
    #[arg(long)]
    npm: Option<PathBuf>,
}

/// What is measured on its own.
#[derive(Debug, Subcommand)]
enum Part {
    /// KV behind its socket, without a runtime, beside Redis with fsync always. Needs redis-server and taskset.
    KvDirect(kv_direct::Arguments),
    /// What `kv-direct` starts.
    #[command(hide = true)]
    KvServe { directory: PathBuf, socket: PathBuf },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::KvDirect(arguments)) => kv_direct::run(arguments),
        Some(Part::KvServe { directory, socket }) => kv_direct::serve(directory, socket),
        None => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(compare(arguments))
        }
    }
}

async fn compare(arguments: Arguments) -> Result<()> {
    if arguments.d1_direct {
        return d1_direct::run(&arguments.connections, Duration::from_secs_f64(arguments.seconds)).await;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let kit = Kit {
        selvedge: selvedge()?,
        npm: arguments.npm.clone().unwrap_or_else(|| std::env::temp_dir().join("selvedge-bench-peers")),
        peers: root.join("fixtures/peers"),
        worker: root.join("fixtures/workers/bench"),
    };
    if arguments.contestants.iter().any(|c| *c != Contestant::Selvedge) {
        kit.install_peers()?;
    }
    let wanted = |w: &&Workload| {
        arguments.only.as_ref().is_none_or(|only| w.name.to_lowercase().contains(&only.to_lowercase()))
    };
    let mut rows = Vec::new();
    for workload in workload::ALL.iter().filter(wanted) {
        rows.extend(measure(&kit, &arguments, *workload).await?);
        eprintln!("measured {}", workload.name);
    }
    println!("{}", report::table(&rows));
    for contestant in &arguments.contestants {
        println!("{}: {}", contestant.name(), contestant.durability());
    }
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&rows)?)?;
    }
    Ok(())
}

/// The release build beside this tool's own.
fn selvedge() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("selvedge");
    if path.exists() { Ok(path) } else { bail!("{} is missing: cargo build --release", path.display()) }
}

/// One workload on every contestant, at every number of connections.
///
/// All of them are up the whole time and take turns, round by round: when the machine slows down, it does so
/// for everybody.
async fn measure(kit: &Kit, arguments: &Arguments, workload: Workload) -> Result<Vec<Row>> {
    let takes_part = |c: &&Contestant| c.has_r2() || !workload.needs_r2;
    let mut running = Vec::new();
    for contestant in arguments.contestants.iter().filter(takes_part) {
        running.push((*contestant, kit.start(*contestant).await?));
    }
    let mut rows = Vec::new();
    for &connections in &arguments.connections {
        // Let them compile and fill their pools before anything counts.
        for (_, running) in &running {
            let warm_up = Duration::from_millis(500);
            load::run(running.address, connections, warm_up, workload.request()).await?;
        }
        let mut runs: Vec<Vec<Row>> = running.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.rounds.max(1) {
            for ((contestant, running), mine) in running.iter().zip(&mut runs) {
                mine.push(one_run(running, *contestant, arguments, workload, connections).await?);
            }
        }
        for mut mine in runs {
            mine.sort_by(|a, b| a.requests_per_second.total_cmp(&b.requests_per_second));
            rows.push(mine.swap_remove(mine.len() / 2));
        }
    }
    for (_, running) in running {
        running.stop().await?;
    }
    Ok(rows)
}

async fn one_run(
    running: &Running,
    contestant: Contestant,
    arguments: &Arguments,
    workload: Workload,
    connections: usize,
) -> Result<Row> {
    let id = running.id()?;
    let peak = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let (peak, done) = (Arc::clone(&peak), Arc::clone(&done));
        move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(usage::of_tree(id).resident_bytes, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(250));
            }
        }
    });
    let before = usage::of_tree(id);
    let time = Duration::from_secs_f64(arguments.seconds);
    let outcome = load::run(running.address, connections, time, workload.request()).await?;
    let used = usage::of_tree(id).cpu_seconds - before.cpu_seconds;
    done.store(true, Ordering::Relaxed);
    if sampler.join().is_err() {
        bail!("the memory sampler panicked");
    }
    let ms = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Row {
        workload: workload.name,
        connections,
        contestant: contestant.name(),
        durability: contestant.durability(),
        requests_per_second: outcome.per_second(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
        p999_ms: ms(0.999),
        errors: outcome.errors,
        cpu_seconds_per_1000: used * 1000.0 / outcome.latency.len().max(1) as f64,
        peak_memory_mb: peak.load(Ordering::Relaxed) as f64 / 1e6,
    })
}
