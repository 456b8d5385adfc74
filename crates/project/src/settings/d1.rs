//! `[d1.BINDING]`

use std::ops::RangeInclusive;

use super::{Configurable, only_keys};
use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::{D1Database, Worker};

/// What a database refuses and how it is kept. A limit that is `None` is Cloudflare's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct D1Settings {
    /// Bytes of a text, a BLOB or a row.
    pub value_size: Option<u64>,
    /// Bytes of a statement.
    pub statement_size: Option<u64>,
    /// Bytes of the database.
    pub database_size: Option<u64>,
    /// Bound parameters of a statement.
    pub parameters: Option<u32>,
    /// Columns of a table or a result.
    pub columns: Option<u32>,
    /// For a request, waiting included.
    pub request_seconds: Option<u32>,
    /// Whether every commit goes to a log, for time travel and replicas.
    pub history: bool,
    /// How far back the log reaches.
    pub retention_days: u32,
    /// Copies that sessions read from.
    pub replicas: u32,
    /// A copy does not have a commit before it is this old.
    pub replica_lag_ms: u32,
}

impl Default for D1Settings {
    fn default() -> Self {
        Self {
            value_size: None,
            statement_size: None,
            database_size: None,
            parameters: None,
            columns: None,
            request_seconds: None,
            history: true,
            retention_days: 30,
            replicas: 0,
            replica_lag_ms: 0,
        }
    }
}

const KEYS: &[&str] = &[
    "value_size",
    "statement_size",
    "database_size",
    "parameters",
    "columns",
    "request_seconds",
    "history",
    "retention_days",
    "replicas",
    "replica_lag_ms",
];
/// What SQLite itself can do is more than is wise: a value is in memory several times, as JSON too.
const VALUE_SIZES: RangeInclusive<u64> = 1024..=32 << 20;
const STATEMENT_SIZES: RangeInclusive<u64> = 1024..=64 << 20;
const DATABASE_SIZES: RangeInclusive<u64> = 1 << 20..=1 << 40;
const PARAMETERS: RangeInclusive<u32> = 1..=32_766;
const COLUMNS: RangeInclusive<u32> = 1..=2000;
const SECONDS: RangeInclusive<u32> = 1..=3600;
const DAYS: RangeInclusive<u32> = 1..=3650;
/// As many as the engine has names for.
const REPLICAS: RangeInclusive<u32> = 0..=8;
/// A session that has just written waits for this long, so it must fit into a request.
const LAGS: RangeInclusive<u32> = 0..=10_000;

impl Configurable for D1Database {
    type Settings = D1Settings;
    const TABLE: &'static str = "d1";
    const LIST: &'static str = "d1_databases";

    fn read(table: &Section<'_>) -> D1Settings {
        only_keys(table, KEYS, "settings");
        let bytes = |key, range| table.get(key).and_then(|spot: &Spot<'_>| spot.bytes(range));
        let count = |key, range| table.get(key).and_then(|spot: &Spot<'_>| spot.count(range));
        let standard = D1Settings::default();
        let history = table.bool("history").unwrap_or(standard.history);
        // One that is not a number has been reported, and that is enough.
        let replicas = table.get("replicas").map_or(Some(standard.replicas), |spot| spot.count(&REPLICAS));
        check_combination(table, history, replicas);
        D1Settings {
            history,
            retention_days: count("retention_days", &DAYS).unwrap_or(standard.retention_days),
            replicas: replicas.unwrap_or(standard.replicas),
            replica_lag_ms: count("replica_lag_ms", &LAGS).unwrap_or(standard.replica_lag_ms),
            value_size: bytes("value_size", &VALUE_SIZES),
            statement_size: bytes("statement_size", &STATEMENT_SIZES),
            database_size: bytes("database_size", &DATABASE_SIZES),
            parameters: count("parameters", &PARAMETERS),
            columns: count("columns", &COLUMNS),
            request_seconds: count("request_seconds", &SECONDS),
        }
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.d1_databases
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.id
    }

    fn settings(&mut self) -> &mut D1Settings {
        &mut self.settings
    }
}

fn check_combination(table: &Section<'_>, history: bool, replicas: Option<u32>) {
    if let (Some(spot), false, Some(1..)) = (table.get("replicas"), history, replicas) {
        let problem = Diagnostic::error(format!("`{}` needs the history", spot.path))
            .help("remove `history = false`, or set `replicas = 0`");
        spot.error("a replica follows the history, and the database keeps none", problem);
    }
    if let (Some(spot), false) = (table.get("retention_days"), history) {
        let problem = Diagnostic::warning(format!("`{}` has no effect", spot.path))
            .help("remove it, or `history = false`");
        spot.reporter.at(&spot.key_span, "the database keeps no history", problem);
    }
    if let (Some(spot), Some(0)) = (table.get("replica_lag_ms"), replicas) {
        let problem = Diagnostic::warning(format!("`{}` has no effect", spot.path))
            .help("set `replicas` to the number of copies that sessions may read from, or remove this key");
        spot.reporter.at(&spot.key_span, "the database has no replicas", problem);
    }
}
