//! pgbench: what is run, on whom, with how many clients.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use selvedge_databases::Postgres;

use super::database::Database as _;
use super::pgbench::Run;
use super::proxy::{CACHED, Contestant, PGBOUNCER};
use super::{Arguments, Row, medians};

/// A read that is always the same.
const FIXED: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = 1;\n";

/// A kind of load.
pub(super) struct Load {
    name: &'static str,
    options: &'static [&'static str],
    /// PgBouncer before 1.21 has no prepared statements in transaction mode.
    prepared: bool,
    /// With connections of their own per transaction: for so many clients only.
    at_most: usize,
    cacheable: bool,
    /// A thread for each client: pgbench waits for what it prepares, and must not hold up those in a transaction.
    threads: bool,
}

const SELECT: Load =
    Load { name: "", options: &[], prepared: false, at_most: usize::MAX, cacheable: false, threads: false };

const ALL: [Load; 9] = [
    Load { name: "select, simple", options: &["-S", "-M", "simple"], ..SELECT },
    Load { name: "select, extended", options: &["-S", "-M", "extended"], ..SELECT },
    Load { name: "select, prepared", options: &["-S", "-M", "prepared"], prepared: true, ..SELECT },
    Load { name: "TPC-B, simple", options: &["-M", "simple"], ..SELECT },
    Load { name: "TPC-B, extended", options: &["-M", "extended"], ..SELECT },
    Load { name: "TPC-B, prepared", options: &["-M", "prepared"], prepared: true, threads: true, ..SELECT },
    Load { name: "a connection each", options: &["-S", "-C"], at_most: 64, ..SELECT },
    Load { name: "the same read, simple", options: &["-M", "simple"], cacheable: true, ..SELECT },
    Load { name: "the same read, extended", options: &["-M", "extended"], cacheable: true, ..SELECT },
];

pub(super) fn compare(arguments: &Arguments, selvedge: &Path, postgres: &Postgres) -> Result<Vec<Row>> {
    let wanted: Vec<_> = ALL.iter().filter(|load| arguments.wants(load.name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let url = postgres.url();
    let mut contestants = vec![Contestant::selvedge(selvedge, &url, arguments.pool, false)?];
    contestants.extend(Contestant::pgbouncer(postgres, arguments.pool)?);
    contestants.push(Contestant::direct(postgres.target()));
    contestants.push(Contestant::selvedge(selvedge, &url, arguments.pool, true)?);
    let fixed = tempfile::NamedTempFile::new()?;
    std::fs::write(fixed.path(), FIXED)?;
    let script = fixed.path().display().to_string();

    let mut rows = Vec::new();
    for load in wanted {
        let mut options = load.options.to_vec();
        if load.cacheable {
            options.extend(["-f", &script]);
        }
        let takes_part = |contestant: &&Contestant| match contestant.name {
            CACHED => load.cacheable,
            PGBOUNCER => !load.prepared,
            _ => true,
        };
        let those: Vec<_> = contestants.iter().filter(takes_part).collect();
        for &clients in arguments.clients.iter().filter(|&&clients| clients <= load.at_most) {
            let threads = if load.threads { clients } else { clients.min(2) };
            let run = |time| Run { workload: load.name, options: &options, clients, threads, time };
            for contestant in &those {
                // Connections are opened, plans are made, and the cache reads the catalogs.
                run(Duration::from_secs(1)).on(contestant)?;
            }
            let run = run(arguments.turns.time());
            rows.extend(medians(&arguments.turns, &those, |contestant| run.on(contestant))?);
        }
        eprintln!("measured {}", load.name);
    }
    Ok(rows)
}
