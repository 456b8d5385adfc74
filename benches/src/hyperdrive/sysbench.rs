//! MariaDB: sysbench's point selects, directly, through the pool, and through what only passes bytes on.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use selvedge_databases::{DATABASE, MariaDb, PASSWORD, USER, command, find_or_say, output};

use super::database::Database as _;
use super::proxy::Contestant;
use super::{Arguments, Row, medians};

const CLIENTS: [usize; 3] = [1, 16, 64];
const ROWS: usize = 100_000;

/// Texts, and statements that are prepared once.
const MODES: [(&str, &str); 2] = [
    ("MariaDB point select, text", "--db-ps-mode=disable"),
    ("MariaDB point select, prepared", "--db-ps-mode=auto"),
];

pub(super) fn compare(arguments: &Arguments, selvedge: &Path, mariadb: &MariaDb) -> Result<Vec<Row>> {
    let Some(binary) = find_or_say("sysbench", "sysbench") else { return Ok(Vec::new()) };
    let wanted: Vec<_> = MODES.iter().filter(|(name, _)| arguments.wants(name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let contestants = [
        Contestant::selvedge(selvedge, &mariadb.url(), arguments.pool, false)?,
        Contestant::relay(mariadb.target())?,
        Contestant::direct(mariadb.target()),
    ];
    let [.., direct] = &contestants;
    output(sysbench(&binary, direct).arg("prepare")).context("cannot fill MariaDB's table")?;
    let mut rows = Vec::new();
    for (name, mode) in wanted {
        for clients in CLIENTS {
            let run = |contestant: &Contestant, seconds: u64| {
                one_run(&binary, contestant, name, mode, clients, seconds)
            };
            for contestant in &contestants {
                run(contestant, 1)?;
            }
            let seconds = arguments.turns.time().as_secs().max(1);
            rows.extend(medians(&arguments.turns, &contestants, |contestant| run(contestant, seconds))?);
        }
        eprintln!("measured {name}");
    }
    Ok(rows)
}

fn sysbench(binary: &Path, contestant: &Contestant) -> Command {
    let mut sysbench = command(binary, None);
    sysbench
        .args(["oltp_point_select", "--db-driver=mysql", "--skip-trx=on", "--mysql-host=127.0.0.1"])
        .arg(format!("--mysql-port={}", contestant.target.address.port()))
        .arg(format!("--mysql-user={USER}"))
        .arg(format!("--mysql-password={PASSWORD}"))
        .arg(format!("--mysql-db={DATABASE}"))
        .arg(format!("--table-size={ROWS}"));
    sysbench
}

fn one_run(
    binary: &Path,
    contestant: &Contestant,
    name: &str,
    mode: &str,
    clients: usize,
    seconds: u64,
) -> Result<Row> {
    let mut sysbench = sysbench(binary, contestant);
    sysbench
        .args([mode, "--histogram=on", "--point-selects=1"])
        .arg(format!("--threads={clients}"))
        .arg(format!("--time={seconds}"))
        .arg("run");
    let before = contestant.target.cpu_seconds();
    let output = output(&mut sysbench).with_context(|| format!("{name}, {}", contestant.name))?;
    let used = contestant.target.cpu_seconds().zip(before).map(|(after, before)| after - before);
    let said = String::from_utf8(output.stdout)?;
    let buckets = histogram(&said);
    let count: u64 = buckets.iter().map(|(_, count)| count).sum();
    Ok(Row {
        workload: name.to_owned(),
        clients,
        contestant: contestant.name,
        transactions_per_second: per_second(&said, "transactions:").context("sysbench gave no rate")?,
        p50_ms: quantile(&buckets, count, 0.5),
        p99_ms: quantile(&buckets, count, 0.99),
        errors: ["ignored errors:", "reconnects:"].iter().filter_map(|name| number(&said, name)).sum(),
        pooler_cpu_us: used.map(|used| used * 1e6 / count.max(1) as f64),
    })
}

/// `transactions:   12345  (1234.50 per sec.)`
fn per_second(said: &str, name: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(name))?;
    line.split_once('(')?.1.split(' ').next()?.parse().ok()
}

fn number(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Milliseconds and how often: `  0.049 |****   345`
fn histogram(said: &str) -> Vec<(f64, u64)> {
    let bucket = |line: &str| {
        let (value, rest) = line.split_once('|')?;
        Some((value.trim().parse().ok()?, rest.split_whitespace().last()?.parse().ok()?))
    };
    said.lines().filter_map(bucket).collect()
}

fn quantile(buckets: &[(f64, u64)], count: u64, quantile: f64) -> f64 {
    let mut seen = 0;
    let reached = buckets.iter().find(|(_, times)| {
        seen += times;
        seen as f64 >= count as f64 * quantile
    });
    reached.map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sysbench_prints_is_read() {
        let said = "Latency histogram (values are in milliseconds)\n       value  ------------- distribution ------------- count\n       0.049 |*******                   90\n       0.050 |*                         9\n       7.500 |                          1\n \nSQL statistics:\n    transactions:                        100    (123.40 per sec.)\n    ignored errors:                      2      (0.00 per sec.)\n";
        let buckets = histogram(said);
        assert_eq!(buckets.len(), 3);
        assert_eq!((quantile(&buckets, 100, 0.5), quantile(&buckets, 100, 0.99)), (0.049, 0.05));
        assert_eq!(
            (per_second(said, "transactions:"), number(said, "ignored errors:")),
            (Some(123.4), Some(2))
        );
    }
}
