//! What D1's history costs those who write, and how long it takes to go back. The engine by itself, in this process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use hdrhistogram::Histogram;
use selvedge_base::SystemClock;
use selvedge_d1::{Database, Format, Limits, Param, Settings, Statement, Store, Target};
use serde::Serialize;

use crate::options::{Output, Turns};
use crate::report;

/// Bytes of an inserted row's text.
const TEXT: usize = 288;
/// Rows of the large database, in bytes, and how many are written in one transaction.
const ROW: u64 = 1000;
const AT_ONCE: u64 = 4000;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writers at once.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    writers: Vec<usize>,
    #[command(flatten)]
    turns: Turns,
    /// Megabytes of the database that is restored; none when 0.
    #[arg(long, default_value_t = 1000)]
    megabytes: u64,
    /// Of the rows of that database, in percent, those that are changed before it is restored.
    #[arg(long, default_value_t = 10)]
    changed: u64,
    /// Where the data goes: a directory on the disk that is to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Report {
    inserts: Vec<Row>,
    restore: Option<Back>,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    writers: usize,
    history: bool,
    inserts_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Back {
    database_bytes: u64,
    changed_percent: u64,
    history_bytes: u64,
    restore_seconds: f64,
    undo_seconds: f64,
    fork_seconds: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = match &arguments.directory {
        Some(at) => tempfile::tempdir_in(at)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let inserts = inserts(directory.path(), arguments).await?;
        print!("{}", table(&inserts));
        let restore = if arguments.megabytes > 0 {
            let back = restore(directory.path(), arguments).await?;
            println!("{}", told(&back));
            Some(back)
        } else {
            None
        };
        anyhow::Ok(Report { inserts, restore })
    })?;
    arguments.output.save(&report)
}

async fn inserts(directory: &Path, arguments: &Arguments) -> Result<Vec<Row>> {
    let store = Store::open(&directory.join("inserts"), SystemClock::shared(), Limits::default())?;
    let mut databases = Vec::new();
    for history in [true, false] {
        let id = if history { "with" } else { "without" };
        let database = store.database_with(id, Settings { history, ..Settings::default() }).await?;
        database.exec("CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").await?;
        databases.push((history, database));
    }
    let mut rows = Vec::new();
    for &writers in &arguments.writers {
        let mut runs: [Vec<Row>; 2] = Default::default();
        for (round, time) in arguments.turns.with_warm_up() {
            // Neither is always the first.
            let turn = usize::from(round % 2 == 1);
            for at in [turn, 1 - turn] {
                let (history, database) = &databases[at];
                let row = insert(database, writers, *history, time).await?;
                if round > 0 {
                    runs[at].push(row);
                }
            }
        }
        rows.extend(runs.into_iter().map(|mine| report::median(mine, |row| row.inserts_per_second)));
        eprintln!("measured {writers} writers");
    }
    Ok(rows)
}

/// Inserts row by row, each writer one after the other, for `time`.
async fn insert(database: &Database, writers: usize, history: bool, time: Duration) -> Result<Row> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let database = database.clone();
        tasks.spawn(async move {
            let mut latency = Histogram::<u64>::new(3)?;
            while begun.elapsed() < time {
                let one = Instant::now();
                let text = Param::Text("x".repeat(TEXT));
                let insert = Statement::new("INSERT INTO log (text) VALUES (?)").bind([text]);
                database.query(vec![insert], Format::Objects, None).await?;
                latency.record(u64::try_from(one.elapsed().as_micros())?.max(1))?;
            }
            anyhow::Ok(latency)
        });
    }
    let mut latency = Histogram::<u64>::new(3)?;
    while let Some(task) = tasks.join_next().await {
        latency.add(task.context("a writer panicked")??)?;
    }
    let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Row {
        writers,
        history,
        inserts_per_second: latency.len() as f64 / begun.elapsed().as_secs_f64(),
        p50_ms: ms(0.5),
        p99_ms: ms(0.99),
    })
}

async fn restore(directory: &Path, arguments: &Arguments) -> Result<Back> {
    let limits = Limits { request_time: Duration::from_mins(10), ..Limits::default() };
    let store = Store::open(&directory.join("restore"), SystemClock::shared(), limits)?;
    let database = store.database("large").await?;
    database.exec("CREATE TABLE rows (id INTEGER PRIMARY KEY, data BLOB NOT NULL)").await?;
    let file = directory.join("restore/large/db.sqlite");
    let size = || std::fs::metadata(&file).map_or(0, |file| file.len());
    let total = arguments.megabytes * 1_000_000 / ROW;
    let mut from = 1;
    while from <= total {
        let until = (from + AT_ONCE - 1).min(total);
        let fill = format!(
            "INSERT INTO rows WITH RECURSIVE n (i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {until})
             SELECT i, randomblob({ROW}) FROM n"
        );
        database.exec(&fill).await?;
        from = until + 1;
        progress("filled", from - 1, total, &database, size()).await?;
    }
    let then = Target::Bookmark(database.bookmark()?);
    // Rows from everywhere.
    let step = 100 / arguments.changed.clamp(1, 100);
    for part in 0..10 {
        let change = format!(
            "UPDATE rows SET data = randomblob({ROW}) WHERE id % {step} = 0 AND id / {step} % 10 = {part}"
        );
        database.exec(&change).await?;
        progress("changed", part + 1, 10, &database, size()).await?;
    }
    eprintln!();
    let history_bytes = database.past().await?.bytes;
    let begun = Instant::now();
    let restored = database.restore(&then).await?;
    let restore_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    database.restore(&Target::Bookmark(restored.previous_bookmark)).await?;
    let undo_seconds = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    store.fork("large", &then, "fork").await?;
    Ok(Back {
        database_bytes: size(),
        changed_percent: arguments.changed,
        history_bytes,
        restore_seconds,
        undo_seconds,
        fork_seconds: begun.elapsed().as_secs_f64(),
    })
}

async fn progress(what: &str, done: u64, all: u64, database: &Database, size: u64) -> Result<()> {
    let history = database.past().await?.bytes / 1_000_000;
    eprint!(
        "\r{what} {:3} %, database {} MB, history {history} MB   ",
        done * 100 / all.max(1),
        size / 1_000_000
    );
    std::io::stderr().flush()?;
    Ok(())
}

/// The ratio is that of inserts with the history to those without.
fn table(rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "| writers | history | inserts/s | with / without | p50 ms | p99 ms |\n|--:|---|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let without = rows.iter().find(|other| other.writers == row.writers && !other.history);
        let ratio = without.filter(|_| row.history).map_or_else(String::new, |without| {
            format!("{:.2}", row.inserts_per_second / without.inserts_per_second)
        });
        let history = if row.history { "on" } else { "off" };
        let _ = writeln!(
            out,
            "| {} | {history} | {:.0} | {ratio} | {:.2} | {:.2} |",
            row.writers, row.inserts_per_second, row.p50_ms, row.p99_ms
        );
    }
    out
}

fn told(back: &Back) -> String {
    format!(
        "A database of {} MB, {} % of its rows changed since, with a history of {} MB: restored in {:.2} s, \
         that undone in {:.2} s, forked as it was in {:.2} s.",
        back.database_bytes / 1_000_000,
        back.changed_percent,
        back.history_bytes / 1_000_000,
        back.restore_seconds,
        back.undo_seconds,
        back.fork_seconds
    )
}
