//! The pooler in a process of its own: what it needs of memory is not its clients'.

use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use selvedge_base::SystemClock;
use selvedge_hyperdrive::cache::{CacheSettings, CacheStore, QueryCache};

use super::{CACHE, CONNECTIONS, WAITING};
use crate::support::Pooler;

const ORIGIN: &str = "SELVEDGE_CHAOS_ORIGIN";
const LEAK: &str = "SELVEDGE_CHAOS_LEAK";
/// Before what it says on a line, as the test harness has its own.
const MARK: &str = "pooler: ";

/// A pooler that is running. It ends when this is dropped.
pub(super) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(super) port: u16,
}

/// How it stands.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) clients: u64,
    pub(super) active: u64,
    pub(super) waiting: u64,
    /// Connections, whatever they do.
    pub(super) size: u64,
    pub(super) mismatches: u64,
    pub(super) transactions: u64,
}

/// Kilobytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) resident: u64,
    /// The most it ever was.
    pub(super) peak: u64,
}

impl Process {
    /// In front of `origin`. It forgets to free so many bytes for each transaction.
    pub(super) fn start(origin: &str, leak: usize) -> Self {
        #[expect(clippy::disallowed_methods, reason = "it is this test's own program")]
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "pool::chaos::process::the_pooler_itself", "--nocapture"])
            .env(ORIGIN, origin)
            .env(LEAK, leak.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { orders: child.stdin.take(), child, answers, port: 0 };
        process.port = process.hear()[0].try_into().unwrap();
        process
    }

    /// The numbers on the next line that is its own.
    fn hear(&mut self) -> Vec<u64> {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the pooler's process has ended");
            if let Some((_, numbers)) = line.split_once(MARK) {
                return numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
            }
        }
    }

    pub(super) fn standing(&mut self) -> Standing {
        writeln!(self.orders.as_mut().unwrap()).unwrap();
        let numbers = self.hear();
        let [clients, active, waiting, size, mismatches, transactions] = numbers[..] else {
            panic!("{numbers:?}")
        };
        Standing { clients, active, waiting, size, mismatches, transactions }
    }

    pub(super) fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Without anybody to ask it, it ends.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// A part of other tests, in a process that they start. By itself it does nothing.
#[test]
fn the_pooler_itself() {
    let Ok(origin) = std::env::var(ORIGIN) else { return };
    let leak: usize = std::env::var(LEAK).unwrap().parse().unwrap();
    let store = CacheStore::new(CACHE, SystemClock::shared());
    let pooler = Pooler::with(&origin, |wishes| {
        wishes.pool.max_connections = CONNECTIONS;
        wishes.pool.max_waiting = WAITING;
        wishes.pool.statement_timeout = Some(Duration::from_secs(2));
        wishes.pool.acquire_timeout = Duration::from_secs(5);
        wishes.cache = Some(QueryCache::new(store, CacheSettings::default()));
    });
    println!("{MARK}{}", pooler.port);
    let mut leaked = Vec::new();
    for order in stdin().lines() {
        order.unwrap();
        let status = pooler.server.pool().status();
        let transactions = pooler.count(|counters| &counters.transactions);
        let missing = usize::try_from(transactions).unwrap() * leak;
        leaked.resize(missing, 1_u8);
        println!(
            "{MARK}{} {} {} {} {} {transactions}",
            pooler.server.clients(),
            status.active,
            status.waiting,
            status.size(),
            pooler.count(|counters| &counters.protocol_mismatches),
        );
    }
}
