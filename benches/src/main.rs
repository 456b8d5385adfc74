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
mod d1_history;
mod d1_replicas;
mod hyperdrive;
mod kv_direct;
mod load;
mod options;
mod report;
mod s3;
mod usage;
mod workload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

use crate::contestant::{Contestant, Kit, Running};
use crate::options::{Choice, Output, Turns};
use crate::report::Row;
use crate::usage::Watch;
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
    #[command(flatten)]
    choice: Choice,
    /// Concurrent connections.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    connections: Vec<usize>,
    #[command(flatten)]
    turns: Turns,
    #[command(flatten)]
    output: Output,
    /// Where the peers are installed.
    #[arg(long)]
    npm: Option<PathBuf>,
}

/// What is measured on its own.
#[derive(Debug, Subcommand)]
enum Part {
    /// The S3 endpoint beside SeaweedFS, nginx and dd. Needs weed, nginx and dd.
    S3(s3::Arguments),
    /// Hyperdrive's pool and cache beside PgBouncer and direct connections. Needs the databases' Debian packages.
    Hyperdrive(hyperdrive::Arguments),
    /// KV behind its socket, without a runtime, beside Redis with fsync always. Needs redis-server and taskset.
    KvDirect(kv_direct::Arguments),
    /// D1's service socket beside rusqlite in this process, on one thread, with an fsync for each insert.
    D1Direct(d1_direct::Arguments),
    /// D1's engine with and without a history, and how long it takes to go back.
    D1History(d1_history::Arguments),
    /// What `kv-direct` starts.
    #[command(hide = true)]
    KvServe { directory: PathBuf, socket: PathBuf },
    /// What `hyperdrive` starts.
    #[command(hide = true)]
    Relay { listen: SocketAddr, target: SocketAddr },
    /// What D1's read replicas cost the writer, and how far behind they are.
    D1Replicas(d1_replicas::Arguments),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Hyperdrive(arguments)) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(hyperdrive::run(arguments)),
        Some(Part::KvDirect(arguments)) => kv_direct::run(arguments),
        Some(Part::D1Direct(arguments)) => d1_direct::run(arguments),
        Some(Part::D1History(arguments)) => d1_history::run(arguments),
        Some(Part::KvServe { directory, socket }) => kv_direct::serve(directory, socket),
        Some(Part::Relay { listen, target }) => runtime()?.block_on(hyperdrive::relay(*listen, *target)),
        Some(Part::D1Replicas(arguments)) => d1_replicas::run(arguments),
        Some(Part::S3(arguments)) => runtime()?.block_on(s3::run(arguments)),
        None => runtime()?.block_on(compare(arguments)),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn compare(arguments: Arguments) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace")?;
    let kit = Kit {
        selvedge: selvedge()?,
        npm: arguments.npm.clone().unwrap_or_else(|| std::env::temp_dir().join("selvedge-bench-peers")),
        peers: root.join("fixtures/peers"),
        worker: root.join("fixtures/workers/bench"),
        environment: Vec::new(),
        alive: "/none",
        ready: "/setup",
    };
    if arguments.contestants.iter().any(|c| *c != Contestant::Selvedge) {
        kit.install_peers()?;
    }
    let wanted = |workload: &&Workload| arguments.choice.takes(workload.name);
    let mut rows = Vec::new();
    for workload in workload::ALL.iter().filter(wanted) {
        rows.extend(measure(&kit, &arguments, *workload).await?);
        eprintln!("measured {}", workload.name);
    }
    println!("{}", report::table(&rows));
    for contestant in &arguments.contestants {
        println!("{}: {}", contestant.name(), contestant.durability());
    }
    arguments.output.save(&rows)
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
        for _ in 0..arguments.turns.rounds {
            for ((contestant, running), mine) in running.iter().zip(&mut runs) {
                mine.push(one_run(running, *contestant, arguments, workload, connections).await?);
            }
        }
        rows.extend(runs.into_iter().map(|mine| report::median(mine, |row| row.requests_per_second)));
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
    let watch = Watch::start(running.id()?);
    let time = arguments.turns.time();
    let outcome = load::run(running.address, connections, time, workload.request()).await?;
    let who = (contestant.name(), contestant.durability());
    Ok(Row::new(workload.name, connections, who, &outcome, watch.stop()?))
}
