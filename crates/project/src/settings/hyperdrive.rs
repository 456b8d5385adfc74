//! `[hyperdrive.BINDING]`

use super::{Configurable, only_keys};
use crate::extract::Section;
use crate::model::{Hyperdrive, Worker};

/// How a Hyperdrive configuration behaves. `None` leaves a number at the pooler's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperdriveSettings {
    /// Whether there is a pool, and with it a cache; without, bytes go straight to the database.
    pub pool: bool,
    /// Whether a client keeps its connection for as long as it is connected.
    pub session_mode: bool,
    pub max_connections: Option<u32>,
    /// Whether answers to reads are kept.
    pub caching: bool,
    /// Seconds.
    pub max_age: Option<u32>,
    /// Seconds.
    pub stale_while_revalidate: Option<u32>,
}

impl Default for HyperdriveSettings {
    fn default() -> Self {
        Self {
            pool: true,
            session_mode: false,
            max_connections: None,
            caching: true,
            max_age: None,
            stale_while_revalidate: None,
        }
    }
}

const KEYS: &[&str] = &["pool", "mode", "max_connections", "caching", "max_age", "stale_while_revalidate"];

impl Configurable for Hyperdrive {
    type Settings = HyperdriveSettings;
    const TABLE: &'static str = "hyperdrive";
    const LIST: &'static str = "hyperdrive";

    fn read(table: &Section<'_>) -> HyperdriveSettings {
        only_keys(table, KEYS, "settings");
        let standard = HyperdriveSettings::default();
        let count = |key, range| table.get(key).and_then(|spot| spot.count(&range));
        let mode = table.get("mode").and_then(|spot| spot.one_of(&["transaction", "session"]));
        HyperdriveSettings {
            pool: table.bool("pool").unwrap_or(standard.pool),
            session_mode: mode == Some("session"),
            // Cloudflare's bounds, but for the lower one: a database of one's own may have few.
            max_connections: count("max_connections", 1..=1500),
            caching: table.bool("caching").unwrap_or(standard.caching),
            // Cloudflare: an hour at most.
            max_age: count("max_age", 1..=3600),
            stale_while_revalidate: count("stale_while_revalidate", 0..=3600),
        }
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.hyperdrive
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.id
    }

    fn settings(&mut self) -> &mut HyperdriveSettings {
        &mut self.settings
    }
}
