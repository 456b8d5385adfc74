//! D1's engine by itself: its service socket, as workerd calls it, beside `rusqlite` in this process, on the same
//! disk. What a Worker's request costs besides is left out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rusqlite::Connection;
use selvedge_base::SystemClock;
use selvedge_bindings::{RESOURCE_HEADER, Registry, Resource, TOKEN_HEADER, serve};
use selvedge_d1::{Limits, Store};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;

use crate::load::{self, Outcome};

const ROWS: u64 = 1000;
const TEXT: usize = 288;
const SETUP: [&str; 3] = [
    "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value INTEGER NOT NULL)",
    "CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
    "INSERT INTO items WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 1000) SELECT id, 'item ' || id, id * 7 FROM n",
];
const SELECT: &str = "SELECT id, name, value FROM items WHERE id = ?";
const INSERT: &str = "INSERT INTO log (text) VALUES (?)";

/// Prints one table.
pub(crate) async fn run(connections: &[usize], time: Duration) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let alone = Alone::open(&directory.path().join("alone.sqlite"))?;
    let selects = alone.measure(time, |connection, n| {
        let mut statement = connection.prepare_cached(SELECT)?;
        let row: (i64, String, i64) = statement
            .query_row([i64::try_from(1 + n % ROWS).unwrap_or(1)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        // The answer is JSON there too.
        std::hint::black_box(serde_json::json!([{ "id": row.0, "name": row.1, "value": row.2 }]).to_string());
        Ok(())
    })?;
    let text = "x".repeat(TEXT);
    let inserts =
        alone.measure(time, |connection, _| connection.prepare_cached(INSERT)?.execute([&text]).map(drop))?;
    println!(
        "| what | connections | requests/s | rusqlite alone, one thread | ratio | p50 ms | p99 ms | errors |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let service = Service::start(directory.path()).await?;
    for &count in connections {
        for (what, alone) in [("select by id", selects), ("durable insert", inserts)] {
            let insert = what == "durable insert";
            let text = text.clone();
            let request = move |n: u64| {
                let sql = if insert { INSERT } else { SELECT };
                let value = if insert { serde_json::json!(text) } else { serde_json::json!(1 + n % ROWS) };
                query(sql, &value)
            };
            let Outcome { latency, errors, elapsed } = service.load(count, time, Arc::new(request)).await?;
            let rate = latency.len() as f64 / elapsed.as_secs_f64();
            let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
            println!(
                "| {what} | {count} | {rate:.0} | {alone:.0} | {:.2} | {:.2} | {:.2} | {errors} |",
                rate / alone,
                ms(0.5),
                ms(0.99)
            );
        }
    }
    Ok(())
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
    fn measure(&self, time: Duration, one: impl Fn(&Connection, u64) -> rusqlite::Result<()>) -> Result<f64> {
        let started = Instant::now();
        let mut done = 0;
        while started.elapsed() < time {
            one(&self.0, done)?;
            done += 1;
        }
        Ok(done as f64 / started.elapsed().as_secs_f64())
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
