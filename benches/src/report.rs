//! The result: a table for people, JSON for scripts.

use std::fmt::Write as _;

use serde::Serialize;

use crate::load::Outcome;
use crate::usage::Usage;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) connections: usize,
    pub(crate) contestant: &'static str,
    pub(crate) durability: &'static str,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) errors: u64,
    pub(crate) cpu_seconds_per_1000: f64,
    pub(crate) peak_memory_mb: f64,
}

impl Row {
    /// Of a contestant's name and durability, what the load saw and what the contestant used meanwhile.
    pub(crate) fn new(
        workload: impl Into<String>,
        connections: usize,
        (contestant, durability): (&'static str, &'static str),
        outcome: &Outcome,
        used: Usage,
    ) -> Self {
        let ms = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            workload: workload.into(),
            connections,
            contestant,
            durability,
            requests_per_second: outcome.per_second(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            errors: outcome.errors,
            cpu_seconds_per_1000: used.cpu_seconds * 1000.0 / outcome.latency.len().max(1) as f64,
            peak_memory_mb: used.resident_bytes as f64 / 1e6,
        }
    }
}

/// The run whose rate is in the middle.
pub(crate) fn median<T>(mut runs: Vec<T>, rate: impl Fn(&T) -> f64) -> T {
    runs.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// A Markdown table. The ratio is that of the first contestant to the row's, at the same workload and
/// connections: above one, the first is faster.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| workload | connections | contestant | requests/s | ratio | p50 ms | p99 ms | p99.9 ms | errors | \
         CPU s per 1,000 | peak MB |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let first = rows
            .iter()
            .find(|r| r.workload == row.workload && r.connections == row.connections)
            .filter(|first| first.contestant != row.contestant);
        let ratio = first
            .map_or_else(String::new, |f| format!("{:.2}", f.requests_per_second / row.requests_per_second));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.*} | {} | {:.2} | {:.2} | {:.2} | {} | {:.3} | {:.0} |",
            row.workload,
            row.connections,
            row.contestant,
            if row.requests_per_second < 20.0 { 2 } else { 0 },
            row.requests_per_second,
            ratio,
            row.p50_ms,
            row.p99_ms,
            row.p999_ms,
            row.errors,
            row.cpu_seconds_per_1000,
            row.peak_memory_mb
        );
    }
    out
}
