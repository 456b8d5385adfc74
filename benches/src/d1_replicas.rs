//! What D1's read replicas cost the writer and how far behind they are: inserts into one database, without a
//! history, with one, and with replicas that follow it.
//!
//! The lag is the time from the answer to a write to the answer of a read that a replica gave to the session of
//! that write, so it contains the read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use selvedge_base::SystemClock;
use selvedge_d1::{Database, Format, Limits, Param, Replication, Settings, Statement, Store};

use crate::options::Turns;
use crate::report;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Concurrent writers.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    writers: Vec<usize>,
    /// Replicas, in turn.
    #[arg(long, value_delimiter = ',', default_values = ["1", "2"])]
    replicas: Vec<usize>,
    #[command(flatten)]
    turns: Turns,
}

/// How the database is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    WithoutHistory,
    WithReplicas(usize),
}

struct Measured {
    rate: f64,
    /// Microseconds.
    writes: Histogram<u64>,
    lag: Histogram<u64>,
    /// Reads that the primary answered, as no replica had the bookmark in time.
    by_primary: u64,
}

const TEXT: usize = 288;

/// Prints one table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let time = arguments.turns.time();
    let mut all = vec![Kept::WithoutHistory, Kept::WithReplicas(0)];
    all.extend(arguments.replicas.iter().map(|&replicas| Kept::WithReplicas(replicas)));
    println!(
        "| kept | writers | writes/s | to history alone | write p50 ms | p99 ms | lag p50 ms | p99 ms | reads | by the primary |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for &writers in &arguments.writers {
        let mut measured: Vec<Vec<Measured>> = all.iter().map(|_| Vec::new()).collect();
        for _ in 0..arguments.turns.rounds {
            for (kept, rounds) in all.iter().zip(&mut measured) {
                rounds.push(runtime.block_on(measure(*kept, writers, time))?);
            }
        }
        let medians: Vec<Measured> =
            measured.into_iter().map(|rounds| report::median(rounds, |run| run.rate)).collect();
        let base = medians.get(1).map_or(f64::NAN, |history| history.rate);
        for (kept, found) in all.iter().zip(&medians) {
            print(*kept, writers, found, base);
        }
    }
    Ok(())
}

fn print(kept: Kept, writers: usize, found: &Measured, base: f64) {
    let name = match kept {
        Kept::WithoutHistory => "no history".to_owned(),
        Kept::WithReplicas(0) => "history".to_owned(),
        Kept::WithReplicas(1) => "1 replica".to_owned(),
        Kept::WithReplicas(n) => format!("{n} replicas"),
    };
    let ms = |histogram: &Histogram<u64>, quantile| {
        if histogram.is_empty() {
            return "–".to_owned();
        }
        format!("{:.2}", histogram.value_at_quantile(quantile) as f64 / 1000.0)
    };
    println!(
        "| {name} | {writers} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} |",
        found.rate,
        found.rate / base,
        ms(&found.writes, 0.5),
        ms(&found.writes, 0.99),
        ms(&found.lag, 0.5),
        ms(&found.lag, 0.99),
        found.lag.len(),
        found.by_primary,
    );
}

async fn measure(kept: Kept, writers: usize, time: Duration) -> Result<Measured> {
    let directory = tempfile::tempdir()?;
    let store = Store::open(directory.path(), SystemClock::shared(), Limits::default())?;
    let (history, replicas) = match kept {
        Kept::WithoutHistory => (false, 0),
        Kept::WithReplicas(replicas) => (true, replicas),
    };
    let replication = Replication { replicas, ..Replication::default() };
    let database =
        store.database_with("bench", Settings { history, replication, ..Settings::default() }).await?;
    database.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").await?;
    while database.replicas().iter().any(|replica| replica.bookmark.is_none()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..writers {
        tasks.push(tokio::spawn(write(database.clone(), Arc::clone(&stop))));
    }
    let reader = (replicas > 0).then(|| tokio::spawn(follow(database.clone(), Arc::clone(&stop))));
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut writes = Histogram::new(3)?;
    for task in tasks {
        writes.add(task.await??)?;
    }
    let elapsed = started.elapsed();
    let (lag, by_primary) = match reader {
        Some(reader) => reader.await??,
        None => (Histogram::new(3)?, 0),
    };
    let rate = writes.len() as f64 / elapsed.as_secs_f64();
    Ok(Measured { rate, writes, lag, by_primary })
}

async fn insert(database: &Database) -> Result<String> {
    let insert = Statement::new("INSERT INTO log (text) VALUES (?)").bind([Param::Text("x".repeat(TEXT))]);
    let answer = database.query(vec![insert], Format::RowsAndColumns, Some("first-primary")).await?;
    Ok(answer.bookmark.unwrap_or_default())
}

async fn write(database: Database, stop: Arc<AtomicBool>) -> Result<Histogram<u64>> {
    let mut latency = Histogram::new(3)?;
    while !stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        insert(&database).await?;
        latency.record(micros(started))?;
    }
    Ok(latency)
}

/// One more writer, which reads what it wrote.
async fn follow(database: Database, stop: Arc<AtomicBool>) -> Result<(Histogram<u64>, u64)> {
    let (mut lag, mut by_primary) = (Histogram::new(3)?, 0);
    while !stop.load(Ordering::Relaxed) {
        let bookmark = insert(&database).await?;
        let started = Instant::now();
        let newest = Statement::new("SELECT max(id) FROM log");
        let read = database.query(vec![newest], Format::RowsAndColumns, Some(&bookmark)).await?;
        let took = micros(started);
        ensure!(!read.outcomes.is_empty(), "a read gave nothing");
        if read.outcomes[0].meta.served_by_primary {
            by_primary += 1;
        } else {
            lag.record(took)?;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((lag, by_primary))
}

fn micros(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}
