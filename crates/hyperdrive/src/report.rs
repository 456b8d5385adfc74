//! How a pooler stands, for people and for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

use crate::Pooler;
use crate::pool::Counters;

type Read = fn(&Counters) -> &AtomicU64;

/// Counters by the name they have in Prometheus, without the prefix.
const COUNTERS: &[(&str, &str, Read)] = &[
    ("transactions_total", "Transactions, and statements outside one.", |c| &c.transactions),
    ("requests_total", "Requests of clients.", |c| &c.requests),
    ("connections_opened_total", "Connections to the database opened.", |c| &c.connections_opened),
    ("connects_failed_total", "Connections to the database that could not be opened.", |c| {
        &c.connects_failed
    }),
    ("connections_retired_total", "Connections closed for their age or idleness.", |c| {
        &c.connections_retired
    }),
    (
        "connections_discarded_total",
        "Connections closed because their state was not known to be clean.",
        |c| &c.connections_discarded,
    ),
    ("connections_lost_total", "Idle connections that the database had closed.", |c| &c.connections_lost),
    ("acquire_timeouts_total", "Clients that waited in vain for a connection.", |c| &c.acquire_timeouts),
    ("acquire_refusals_total", "Clients refused because too many waited.", |c| &c.acquire_refusals),
    ("statement_timeouts_total", "Statements that took too long.", |c| &c.statement_timeouts),
    ("idle_transaction_timeouts_total", "Transactions left open too long.", |c| &c.idle_transaction_timeouts),
    ("cancels_total", "Cancel requests passed on.", |c| &c.cancels),
    ("protocol_mismatches_total", "Answers without a question, or questions without an answer.", |c| {
        &c.protocol_mismatches
    }),
    ("clients_accepted_total", "Clients that logged in.", |c| &c.clients_accepted),
    ("clients_refused_total", "Clients that were not let in.", |c| &c.clients_refused),
    ("bytes_from_clients_total", "Bytes received from clients.", |c| &c.bytes_from_clients),
    ("bytes_to_clients_total", "Bytes sent to clients.", |c| &c.bytes_to_clients),
    ("bytes_from_origin_total", "Bytes received from the database.", |c| &c.bytes_from_origin),
    ("bytes_to_origin_total", "Bytes sent to the database.", |c| &c.bytes_to_origin),
];

impl Pooler {
    /// Everything that is counted, in Prometheus' text format. `database` becomes a label.
    pub fn prometheus(&self, database: &str) -> String {
        let label = format!("{{database=\"{}\"}}", database.replace('\\', "\\\\").replace('"', "\\\""));
        let mut out = String::new();
        let mut line = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            // Writing to memory does not fail.
            let _ = writeln!(
                out,
                "# HELP selvedge_hyperdrive_{name} {help}\n# TYPE selvedge_hyperdrive_{name} {kind}"
            );
            let _ = writeln!(out, "selvedge_hyperdrive_{name}{label} {value}");
        };
        for (name, help, value) in self.gauges() {
            line(name, "gauge", help, &value);
        }
        for (name, help, read) in COUNTERS {
            line(name, "counter", help, &Counters::get(read(self.counters())));
        }
        let wait = &self.counters().wait;
        line("wait_seconds_count", "counter", "Clients that had to wait for a connection.", &wait.count());
        line("wait_seconds_sum", "counter", "How long they waited together.", &wait.sum().as_secs_f64());
        if let Some(cache) = self.cache_counters() {
            for (status, value) in [
                ("hit", cache.hit),
                ("stale", cache.stale),
                ("miss", cache.miss),
                ("uncacheable", cache.uncacheable),
                ("disabled", cache.disabled),
            ] {
                line(
                    &format!("cache_{status}_total"),
                    "counter",
                    "Statements by what the cache did for them.",
                    &value,
                );
            }
            line("cache_hit_bytes_total", "counter", "Bytes answered from the cache.", &cache.hit_bytes);
        }
        out
    }

    /// How it stands now, as `SHOW POOLS` of other poolers tells it: names and numbers.
    pub fn gauges(&self) -> [(&'static str, &'static str, u64); 7] {
        let status = self.status();
        let count = |n: usize| n as u64;
        [
            ("clients", "Clients that are logged in.", count(self.clients())),
            ("pool_max", "Connections to the database at most.", count(status.max_connections)),
            ("pool_size", "Connections to the database that are open.", count(status.size())),
            ("pool_idle", "Open connections that nobody has.", count(status.idle)),
            ("pool_active", "Open connections that a client has.", count(status.active)),
            ("pool_connecting", "Connections being opened.", count(status.connecting)),
            ("waiting", "Clients that wait for a connection.", count(status.waiting)),
        ]
    }
}
