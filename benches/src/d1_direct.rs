//! D1's engine by itself: its service socket, as workerd calls it, beside `rusqlite` in this process, on the same
//! disk. What a Worker's request costs besides is left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use rusqlite::Connection;
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve};
use selvedge_d1::{Limits, Store};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;

use crate::load::{self, Outcome};
use crate::options::Turns;
use crate::report;

const ROWS: u64 = 1000;
const TEXT: usize = 288;
const SETUP: [&str; 3] = [
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value INTEGER NOT NULL)",
    "CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "INSERT INTO items WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000) SELECT id, 'item ' || id, id * 7 FROM n",
];
const SELECT: &str = "SELECT id, name, value FROM items WHERE id = ?";
const INSERT: &str = "INSERT INTO log (text) VALUES (?)";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Concurrent connections.
    #[arg(long, value_delimiter = ',', default_values = ["1", "16", "64"])]
    connections: Vec<usize>,
    #[command(flatten)]
    turns: Turns,
    /// Where the data goes: a directory on the disk that is to be measured.
    #[arg(long)]
    directory: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Select,
    Insert,
}

/// Prints one table.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let directory = match &arguments.directory {
        Some(at) => tempfile::tempdir_in(at)?,
        None => tempfile::tempdir()?,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure(directory.path(), arguments))
}

async fn measure(directory: &Path, arguments: &Arguments) -> Result<()> {
    let time = arguments.turns.time();
    let alone = Alone::open(&directory.join("alone.sqlite"))?;
    let service = Service::start(directory).await?;
    println!(
        "| what | connections | requests/s | rusqlite alone, one thread | ratio | p50 ms | p99 ms | errors |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (work, what) in [(Work::Select, "select by id"), (Work::Insert, "durable insert")] {
        for &count in &arguments.connections {
            let (mut alones, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..arguments.turns.rounds {
                alones.push(alone.measure(time, work)?);
                ours.push(service.load(count, time, Arc::new(move |n| request(work, n))).await?);
            }
            let alone = report::median(alones, |rate| *rate);
            let errors: u64 = ours.iter().map(|outcome| outcome.errors).sum();
            let middle = report::median(ours, Outcome::per_second);
            let ms = |quantile| middle.latency.value_at_quantile(quantile) as f64 / 1000.0;
            println!(
                "| {what} | {count} | {:.0} | {alone:.0} | {:.2} | {:.2} | {:.2} | {errors} |",
                middle.per_second(),
                middle.per_second() / alone,
                ms(0.5),
                ms(0.99)
            );
        }
    }
    println!(
        "Inserts: an fsync each without Selvedge; shared fsyncs, and a history of every commit, with it."
    );
    Ok(())
}

fn request(work: Work, n: u64) -> Vec<u8> {
    match work {
        Work::Select => query(SELECT, &serde_json::json!(1 + n % ROWS)),
        Work::Insert => query(INSERT, &serde_json::json!("x".repeat(TEXT))),
    }
}

/// `rusqlite` without anything around it: each insert is a transaction and an fsync.
struct Alone(Connection);

impl Alone {
    fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        SETUP.iter().try_for_each(|sql| connection.execute_batch(sql))?;
        Ok(Self(connection))
    }

    /// How many a second.
    fn measure(&self, time: Duration, work: Work) -> Result<f64> {
        let text = "x".repeat(TEXT);
        let started = Instant::now();
        let mut done = 0;
        while started.elapsed() < time {
            match work {
                Work::Select => self.select(done)?,
                Work::Insert => drop(self.0.prepare_cached(INSERT)?.execute([&text])?),
            }
            done += 1;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
    }

    fn select(&self, n: u64) -> Result<()> {
        let mut statement = self.0.prepare_cached(SELECT)?;
        let id = i64::try_from(1 + n % ROWS)?;
        let row: (i64, String, i64) =
            statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        // The answer is JSON there too.
        std::hint::black_box(serde_json::json!([{ "id": row.0, "name": row.1, "value": row.2 }]).to_string());
        Ok(())
    }
}

/// The binding's service on a unix socket, on threads of its own.
struct Service {
    socket: PathBuf,
    runtime: Option<Runtime>,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Service {
    async fn start(directory: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let store = Store::open(&directory.join("d1"), SystemClock::shared(), Limits::default())?;
        let database = store.database("bench").await?;
        database.exec(&SETUP.join(";\n")).await?;
        let registry = Arc::new(Registry::new("token".to_owned()));
        registry.insert("d1/bench".to_owned(), Resource::D1(database));
        let socket = directory.join("bindings.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket)?;
        listener.set_nonblocking(true)?;
        runtime.spawn(async move {
            match UnixListener::from_std(listener) {
                Ok(listener) => serve(listener, registry).await,
                Err(error) => eprintln!("the service has no socket: {error}"),
            }
        });
        Ok(Self { socket, runtime: Some(runtime) })
    }

    async fn load(&self, connections: usize, time: Duration, request: Arc<load::Request>) -> Result<Outcome> {
        let socket = self.socket.clone();
        load::run_on(connections, time, request, move || {
            let socket = socket.clone();
            async move {
                UnixStream::connect(&socket)
                    .await
                    .with_context(|| format!("cannot connect to {}", socket.display()))
            }
        })
        .await
    }
}

/// What workerd sends.
fn query(sql: &str, value: &serde_json::Value) -> Vec<u8> {
    let body = serde_json::json!({ "sql": sql, "params": [value] }).to_string();
    format!(
        "POST /query?resultsFormat=ROWS_AND_COLUMNS HTTP/1.1\r\nHost: d1\r\nContent-Type: application/json\r\n\
         {RESOURCE_HEADER}: d1/bench\r\n{TOKEN_HEADER}: token\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
