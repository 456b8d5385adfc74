//! `[d1.BINDING]`

use std::ops::RangeInclusive;

use super::{Configurable, only_keys};
use crate::extract::{Section, Spot};
use crate::model::{D1Database, Worker};

/// What a database refuses. `None` is Cloudflare's limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

const KEYS: &[&str] =
    &["value_size", "statement_size", "database_size", "parameters", "columns", "request_seconds"];
/// What SQLite itself can do is more than is wise: a value is in memory several times, as JSON too.
const VALUE_SIZES: RangeInclusive<u64> = 1024..=32 << 20;
const STATEMENT_SIZES: RangeInclusive<u64> = 1024..=64 << 20;
const DATABASE_SIZES: RangeInclusive<u64> = 1 << 20..=1 << 40;
const PARAMETERS: RangeInclusive<u32> = 1..=32_766;
const COLUMNS: RangeInclusive<u32> = 1..=2000;
const SECONDS: RangeInclusive<u32> = 1..=3600;

impl Configurable for D1Database {
    type Settings = D1Settings;
    const TABLE: &'static str = "d1";
    const LIST: &'static str = "d1_databases";

    fn read(table: &Section<'_>) -> D1Settings {
        only_keys(table, KEYS, "settings");
        let bytes = |key, range| table.get(key).and_then(|spot: &Spot<'_>| spot.bytes(range));
        let count = |key, range| table.get(key).and_then(|spot: &Spot<'_>| spot.count(range));
        D1Settings {
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
