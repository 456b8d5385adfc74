//! Hyperdrive's pool and cache beside PgBouncer and beside direct connections: the same servers, the same load, one
//! run. Needs postgresql, pgbouncer, mariadb-server and sysbench; what is missing is left out.

mod database;
mod idle;
mod load;
mod pgbench;
mod proxy;
mod relay;
mod sysbench;
mod worker;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::options::{Choice, Output, Turns};
use crate::report;

pub(crate) use relay::serve as relay;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    turns: Turns,
    #[command(flatten)]
    choice: Choice,
    /// Clients of pgbench.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64", "256", "500"])]
    clients: Vec<usize>,
    /// Connections of the Worker's part.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    connections: Vec<usize>,
    /// Connections to the database that each pool may open.
    #[arg(long, default_value_t = 20)]
    pool: usize,
    /// pgbench's scale: 100,000 accounts each.
    #[arg(long, default_value_t = 10)]
    scale: usize,
    /// Clients that are connected and do nothing.
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// The pooler that is measured, if not the build beside this tool.
    #[arg(long)]
    selvedge: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        self.choice.takes(name)
    }
}

/// One contestant's median run.
#[derive(Clone, Debug, Serialize)]
struct Row {
    workload: String,
    clients: usize,
    contestant: &'static str,
    transactions_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    errors: u64,
    /// Of the pooler, in microseconds for each transaction.
    pooler_cpu_us: Option<f64>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let selvedge = match &arguments.selvedge {
        Some(path) => path.clone(),
        None => crate::selvedge()?,
    };
    let mut rows = Vec::new();
    if let Some(postgres) = database::postgres(arguments.scale)? {
        rows.extend(load::compare(arguments, &selvedge, &postgres)?);
        idle::postgres(arguments, &selvedge, &postgres).await?;
        rows.extend(worker::compare(arguments, &selvedge, &postgres).await?);
    }
    if let Some(mariadb) = database::mariadb()? {
        rows.extend(sysbench::compare(arguments, &selvedge, &mariadb)?);
        idle::mysql(arguments, &selvedge, &mariadb)?;
    }
    print!("{}", table(&rows));
    arguments.output.save(&rows)
}

/// Runs `one` on every contestant in turn, round by round, and keeps each one's median.
fn medians<T>(turns: &Turns, contestants: &[T], mut one: impl FnMut(&T) -> Result<Row>) -> Result<Vec<Row>> {
    let mut runs: Vec<Vec<Row>> = contestants.iter().map(|_| Vec::new()).collect();
    for _ in 0..turns.rounds {
        for (contestant, mine) in contestants.iter().zip(&mut runs) {
            mine.push(one(contestant)?);
        }
    }
    Ok(runs.into_iter().map(|mine| report::median(mine, |row| row.transactions_per_second)).collect())
}

/// The ratio is that of Selvedge's pool to the row: above one, Selvedge is faster.
fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "| workload | clients | contestant | transactions/s | ratio | p50 ms | p99 ms | errors | pooler CPU µs |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let ours = rows.iter().find(|r| {
            (&r.workload, r.clients) == (&row.workload, row.clients) && r.contestant == proxy::POOLED
        });
        let ratio = ours
            .filter(|ours| ours.contestant != row.contestant)
            .map(|ours| format!("{:.2}", ours.transactions_per_second / row.transactions_per_second));
        let cpu = row.pooler_cpu_us.map(|us| format!("{us:.1}"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.0} | {} | {:.2} | {:.2} | {} | {} |",
            row.workload,
            row.clients,
            row.contestant,
            row.transactions_per_second,
            ratio.unwrap_or_default(),
            row.p50_ms,
            row.p99_ms,
            row.errors,
            cpu.unwrap_or_default()
        );
    }
    out
}
