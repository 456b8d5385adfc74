//! `[kv.BINDING]`

use std::ops::RangeInclusive;

use super::{Configurable, only_keys};
use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::{KvNamespace, Worker};

/// What a read of a KV namespace may miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Nothing: what was written is read.
    #[default]
    Strong,
    /// As on Cloudflare: what others wrote since the location cached the key.
    Edge,
}

/// How a KV namespace behaves. All but `consistency` mean something with [`Consistency::Edge`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvSettings {
    pub consistency: Consistency,
    /// The locations that have a cache of their own, upper case. Empty: those that requests name.
    pub locations: Vec<String>,
    /// Whether a write is read at its own location at once.
    pub own_writes_visible: bool,
    /// How many bytes the cache of one location may hold.
    pub cache_size: u64,
    /// Whether values stay in the Worker's own process too.
    pub isolate_cache: bool,
    /// How many bytes each isolate may keep.
    pub isolate_cache_size: u64,
}

impl Default for KvSettings {
    fn default() -> Self {
        Self {
            consistency: Consistency::Strong,
            locations: Vec::new(),
            own_writes_visible: true,
            cache_size: 64 << 20,
            isolate_cache: false,
            isolate_cache_size: 8 << 20,
        }
    }
}

impl KvSettings {
    /// Whether Workers are given a binding that keeps values in their isolate. Only where reads may be stale.
    pub fn keeps_in_isolate(&self) -> bool {
        self.isolate_cache && self.consistency == Consistency::Edge
    }
}

const KEYS: &[&str] =
    &["consistency", "locations", "own_writes_visible", "cache_size", "isolate_cache", "isolate_cache_size"];
const MOST_LOCATIONS: usize = 64;
const CACHE_SIZES: RangeInclusive<u64> = 1 << 16..=1 << 40;
/// An isolate's heap has 128 MB on Cloudflare, and its owner needs some of it.
const ISOLATE_CACHE_SIZES: RangeInclusive<u64> = 1 << 10..=64 << 20;

impl Configurable for KvNamespace {
    type Settings = KvSettings;
    const TABLE: &'static str = "kv";
    const LIST: &'static str = "kv_namespaces";

    fn read(table: &Section<'_>) -> KvSettings {
        only_keys(table, KEYS, "settings");
        let standard = KvSettings::default();
        let said = table.get("consistency").map(|spot| spot.one_of(&["strong", "edge"]));
        let consistency = match said {
            Some(Some("edge")) => Consistency::Edge,
            _ => Consistency::Strong,
        };
        if matches!(said, None | Some(Some("strong"))) {
            warn_without_edge(table);
        }
        let bytes = |key, range| table.get(key).and_then(|spot: &Spot<'_>| spot.bytes(range));
        KvSettings {
            consistency,
            locations: table.get("locations").map(locations).unwrap_or_default(),
            own_writes_visible: table.bool("own_writes_visible").unwrap_or(standard.own_writes_visible),
            cache_size: bytes("cache_size", &CACHE_SIZES).unwrap_or(standard.cache_size),
            isolate_cache: table.bool("isolate_cache").unwrap_or(standard.isolate_cache),
            isolate_cache_size: bytes("isolate_cache_size", &ISOLATE_CACHE_SIZES)
                .unwrap_or(standard.isolate_cache_size),
        }
    }

    fn all(worker: &mut Worker) -> &mut Vec<Self> {
        &mut worker.kv_namespaces
    }

    fn binding(&self) -> &str {
        &self.binding
    }

    fn resource(&self) -> &str {
        &self.id
    }

    fn settings(&mut self) -> &mut KvSettings {
        &mut self.settings
    }
}

fn warn_without_edge(table: &Section<'_>) {
    for (key, spot) in &table.fields {
        if KEYS.contains(key) && *key != "consistency" {
            let problem = Diagnostic::warning(format!("`{}` has no effect", spot.path))
                .help("set `consistency = \"edge\"` for reads as on Cloudflare, or remove this key");
            spot.reporter.at(&spot.key_span, "the namespace is strongly consistent", problem);
        }
    }
}

fn locations(spot: &Spot<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for element in spot.elements() {
        let Some(name) = element.string() else { continue };
        let name = name.to_ascii_uppercase();
        let fits = (1..=16).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !fits {
            let problem = Diagnostic::error(format!("`{}` is not the name of a location", element.path));
            element
                .error("expected 1 to 16 letters, digits and hyphens, as in \"AMS\" or \"weur-1\"", problem);
        } else if names.contains(&name) {
            element.error("named before", Diagnostic::error(format!("the location {name:?} is named twice")));
        } else {
            names.push(name);
        }
    }
    if names.len() > MOST_LOCATIONS {
        let problem = Diagnostic::error(format!("`{}` names too many locations", spot.path));
        spot.error(format!("expected up to {MOST_LOCATIONS}"), problem);
    }
    names
}
