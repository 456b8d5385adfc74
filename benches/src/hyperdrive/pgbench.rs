//! One run of pgbench, and what its log says.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use selvedge_databases::{DATABASE, find, output};

use super::Row;
use super::proxy::Contestant;

pub(super) struct Run<'a> {
    pub(super) workload: &'a str,
    /// Besides those for clients, time and log.
    pub(super) options: &'a [&'a str],
    pub(super) clients: usize,
    pub(super) threads: usize,
    pub(super) time: Duration,
}

impl Run<'_> {
    pub(super) fn on(&self, contestant: &Contestant) -> Result<Row> {
        let directory = tempfile::tempdir()?;
        let mut pgbench = self.command(contestant, directory.path())?;
        let before = contestant.target.cpu_seconds();
        let start = Instant::now();
        let output = output(&mut pgbench).with_context(|| {
            format!("{} with {} clients, {}", self.workload, self.clients, contestant.name)
        })?;
        let elapsed = start.elapsed();
        let used = contestant.target.cpu_seconds().zip(before).map(|(after, before)| after - before);
        let latency = latencies(directory.path())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).lines().filter(|l| l.contains("error")).count();
        let ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
        // pgbench's own figure leaves out the time to connect, where that is not what is measured.
        let per_second =
            said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        Ok(Row {
            workload: self.workload.to_owned(),
            clients: self.clients,
            contestant: contestant.name,
            transactions_per_second: per_second
                .unwrap_or_else(|| latency.len() as f64 / elapsed.as_secs_f64()),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            errors: errors as u64 + failed(&said),
            pooler_cpu_us: used.map(|used| used * 1e6 / latency.len().max(1) as f64),
        })
    }

    fn command(&self, contestant: &Contestant, directory: &Path) -> Result<Command> {
        let binary = find("pgbench").context("pgbench is not installed")?;
        let mut pgbench = contestant.target.client(&binary);
        // Its clock runs from before it has connected: a few milliseconds for each client.
        let connecting = self.clients as f64 * 0.02;
        let seconds = (self.time.as_secs_f64() + connecting).ceil().to_string();
        pgbench
            .args(["-n", "-l", "-T", &seconds, "-c", &self.clients.to_string()])
            .args(["-j", &self.threads.to_string()])
            .arg(format!("--log-prefix={}", directory.join("log").display()))
            .args(self.options)
            .arg(DATABASE)
            .current_dir(directory);
        Ok(pgbench)
    }
}

/// Of the line that counts transactions that the database refused.
fn failed(said: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix("number of failed transactions: "));
    line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Every transaction's microseconds, from the log of each thread.
fn latencies(directory: &Path) -> Result<Histogram<u64>> {
    let mut latency = Histogram::new(3)?;
    for entry in std::fs::read_dir(directory)? {
        for line in std::fs::read_to_string(entry?.path())?.lines() {
            // Client, transaction, microseconds, script, and when that was.
            if let Some(us) = line.split(' ').nth(2).and_then(|us| us.parse::<u64>().ok()) {
                latency.record(us.max(1))?;
            }
        }
    }
    Ok(latency)
}
