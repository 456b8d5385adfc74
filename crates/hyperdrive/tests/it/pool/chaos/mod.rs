//! Two hundred clients that do everything wrong, a server that is killed and restarted under them, and every row
//! held against who asked for it.

mod broken;
mod client;
mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use selvedge_base::SystemClock;
use selvedge_hyperdrive::cache::{CacheSettings, CacheStore, QueryCache};

use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres};
use life::{Dice, Report, live};

const CLIENTS: u64 = 200;
const CONNECTIONS: usize = 20;
/// Three times as long as the pool's longest limit.
const PATIENCE: Duration = Duration::from_secs(30);
/// Fewer places than clients: some find the queue full.
const WAITING: usize = 150;
/// What may be answered when connections are lost, cancelled or not to be had, and what the clients provoke.
const ERRORS: [&str; 8] = ["08006", "22012", "25P02", "57014", "57P01", "57P02", "57P03", "58000"];

/// Long when asked for.
fn length() -> Duration {
    let seconds = std::env::var("SELVEDGE_CHAOS_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    Duration::from_secs(seconds)
}

/// Lets so many clients live at `port` while `meanwhile` runs.
fn clients(port: u16, many: u64, patience: Duration, meanwhile: impl FnOnce()) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let lives: Vec<_> = (0..many)
        .map(|seed| {
            let over = Arc::clone(&over);
            runtime.spawn(live(port, seed, patience, move || over.load(Ordering::Relaxed)))
        })
        .collect();
    meanwhile();
    over.store(true, Ordering::Relaxed);
    let mut report = Report::default();
    for life in lives {
        report.add(runtime.block_on(life).unwrap());
    }
    report
}

/// Megabytes of this process.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096 / 1_000_000
}

#[test]
fn every_row_belongs_to_who_asked_for_it_whatever_happens() {
    let Some(server) = Postgres::own() else { return };
    let store = CacheStore::new(16 << 20, SystemClock::shared());
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = CONNECTIONS;
        wishes.pool.max_waiting = WAITING;
        wishes.pool.statement_timeout = Some(Duration::from_secs(2));
        wishes.pool.acquire_timeout = Duration::from_secs(5);
        wishes.cache = Some(QueryCache::new(store, CacheSettings::default()));
    });
    // The least of each quarter: what large answers need while they pass is no leak.
    let mut memory = [usize::MAX; 4];
    let report = clients(pooler.port, CLIENTS, PATIENCE, || {
        let (started, mut dice) = (Instant::now(), Dice(1));
        for (part, memory) in (1..).zip(&mut memory) {
            while started.elapsed() < length() * part / 4 {
                std::thread::sleep(Duration::from_millis(20 + dice.roll(100)));
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                            ORDER BY random() LIMIT 1";
                server.connect("postgres").query(kill);
                *memory = resident().min(*memory);
            }
            if part % 2 == 0 {
                server.stop();
                std::thread::sleep(Duration::from_millis(dice.roll(1000)));
                server.start_again();
            }
        }
    });
    eprintln!(
        "{} rows, {} foreign, {} hung; errors {:?}; {memory:?} MB",
        report.rows,
        report.foreign.len(),
        report.hung,
        report.errors
    );
    assert_eq!(report.foreign, Vec::<String>::new());
    assert_eq!(report.hung, 0);
    assert!(report.rows > 1000, "hardly anything was answered");
    let strange: Vec<_> = report.errors.keys().filter(|code| !ERRORS.contains(&code.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?}");

    wait_until(|| pooler.server.clients() == 0);
    pooler.settle();
    let status = pooler.server.pool().status();
    assert!(status.size() <= CONNECTIONS && status.waiting == 0, "{status:?}");
    assert_eq!(pooler.count(|counters| &counters.protocol_mismatches), 0);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    wait_until(|| {
        let open: usize = server.connect("postgres").column(open)[0].parse().unwrap();
        open <= pooler.server.pool().status().size()
    });
}

/// The same clients find out a pool that hands on connections as they are.
#[test]
fn the_check_catches_a_pool_that_gives_back_dirty_connections() {
    let Some(server) = Postgres::own() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let port = runtime.block_on(broken::listen(server.port, 4)).unwrap();
    let report = clients(port, 20, Duration::from_secs(1), || std::thread::sleep(Duration::from_secs(2)));
    assert!(!report.foreign.is_empty(), "{report:?}");
}
