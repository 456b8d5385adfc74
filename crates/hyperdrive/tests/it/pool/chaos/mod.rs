//! Two hundred clients that do everything wrong, a server that is killed and restarted under them, and every row
//! held against who asked for it.

mod broken;
mod client;
mod life;
mod process;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::Postgres;
use crate::support::pooler::origin;
use life::{Dice, Report, live};
use process::{Memory, Process};

const CLIENTS: u64 = 200;
const CONNECTIONS: usize = 20;
/// What the pooler's memory may grow by after the first quarter of a run, in kilobytes.
const FLAT: u64 = 8_000;
/// Samples in a quarter, at least.
const SAMPLES: usize = 10;
/// Bytes of answers that are kept: few enough to be there soon.
const CACHE: usize = 2 << 20;
/// Bytes for each transaction that a run of seconds must find out. One of ten minutes finds less than a hundred.
const LEAK: usize = 65_536;
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

/// What the pooler's process needed, by quarters of a run.
struct Quarters([Vec<Memory>; 4]);

impl Quarters {
    fn median(&self, quarter: usize) -> u64 {
        let mut resident: Vec<u64> = self.0[quarter].iter().map(|memory| memory.resident).collect();
        resident.sort_unstable();
        resident[resident.len() / 2]
    }

    /// In the first quarter all that is kept comes to be: connections, clients, and the cache up to its limit. What
    /// grows from the second to the last is a leak, in kilobytes.
    fn growth(&self) -> u64 {
        self.median(3).saturating_sub(self.median(1))
    }

    fn is_flat(&self) -> bool {
        self.growth() <= FLAT
    }
}

impl fmt::Display for Quarters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (quarter, memory) in self.0.iter().enumerate() {
            let least = memory.iter().map(|memory| memory.resident).min().unwrap_or(0);
            let most = memory.iter().map(|memory| memory.resident).max().unwrap_or(0);
            let (median, number) = (self.median(quarter), quarter + 1);
            writeln!(f, "  quarter {number}: median {median} kB, {least} to {most}, of {}", memory.len())?;
        }
        let peak = self.0.iter().flatten().map(|memory| memory.peak).max().unwrap_or(0);
        write!(f, "  peak {peak} kB, growth {} kB", self.growth())
    }
}

/// Kills connections and restarts the server while clients live. Gives the memory that the pooler needed.
fn trouble(server: &Postgres, pooler: &mut Process, length: Duration) -> Quarters {
    let mut dice = Dice(1);
    let mut quarters = Quarters(<[Vec<Memory>; 4]>::default());
    for (part, memory) in (1..).zip(&mut quarters.0) {
        let started = Instant::now();
        while started.elapsed() < length / 4 || memory.len() < SAMPLES {
            std::thread::sleep(Duration::from_millis(20 + dice.roll(100)));
            let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \
                        ORDER BY random() LIMIT 1";
            server.connect("postgres").query(kill);
            pooler.standing();
            memory.push(pooler.memory());
        }
        if part % 2 == 0 {
            server.stop();
            std::thread::sleep(Duration::from_millis(dice.roll(1000)));
            server.start_again();
        }
    }
    quarters
}

/// Waits for what comes to be when everybody has gone.
fn wait_for(pooler: &mut Process, is_so: impl Fn(&process::Standing) -> bool) {
    for _ in 0..3000 {
        if is_so(&pooler.standing()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to be: {:?}", pooler.standing());
}

#[test]
fn every_row_belongs_to_who_asked_for_it_whatever_happens() {
    let Some(server) = Postgres::own() else { return };
    let mut pooler = Process::start(&origin(&server, "postgres", ""), 0);
    let mut memory = None;
    let report = clients(pooler.port, CLIENTS, PATIENCE, || {
        memory = Some(trouble(&server, &mut pooler, length()));
    });
    let memory = memory.unwrap();
    eprintln!(
        "{} rows, {} foreign, {} hung; errors {:?}\n{memory}",
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
    assert!(memory.is_flat(), "the pooler's memory grows:\n{memory}");

    wait_for(&mut pooler, |standing| standing.clients == 0 && standing.active == 0);
    let standing = pooler.standing();
    assert!(standing.size <= CONNECTIONS as u64 && standing.waiting == 0, "{standing:?}");
    assert_eq!(standing.mismatches, 0);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    wait_for(&mut pooler, |standing| {
        let open: u64 = server.connect("postgres").column(open)[0].parse().unwrap();
        open <= standing.size
    });
    eprintln!("{} transactions", standing.transactions);
}

/// A pooler that keeps something of every transaction is not flat.
#[test]
fn the_check_catches_a_pool_that_leaks() {
    let Some(server) = Postgres::own() else { return };
    let mut pooler = Process::start(&origin(&server, "postgres", ""), LEAK);
    let mut memory = None;
    clients(pooler.port, CLIENTS / 4, PATIENCE, || {
        memory = Some(trouble(&server, &mut pooler, Duration::from_secs(8)));
    });
    let memory = memory.unwrap();
    eprintln!("{memory}, {} transactions", pooler.standing().transactions);
    assert!(!memory.is_flat(), "a leak of {LEAK} bytes for each transaction was not seen:\n{memory}");
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
