//! Which statements cost the most: what `wrangler d1 insights` asks for.
//!
//! Statements that differ only in their values count as one. The sums are kept in memory, by the hour and for
//! [`HOURS`], since the database was opened; what Cloudflare keeps, it keeps elsewhere too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use selvedge_sqlite::policy::Counts;
use serde::Serialize;

/// The longest period that can be asked for, as at Cloudflare.
const HOURS: u64 = 31 * 24;
/// Statements that are told apart. When more come, those that took the least time are forgotten.
const QUERIES: usize = 2048;
/// Bytes of a statement that are kept.
const LENGTH: usize = 2048;

/// What one statement has cost. Serialises to an element of `wrangler d1 insights --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Insight {
    /// With `?` for each value.
    pub query: String,
    pub avg_rows_read: f64,
    pub total_rows_read: u64,
    pub avg_rows_written: f64,
    pub total_rows_written: u64,
    pub avg_duration_ms: f64,
    pub total_duration_ms: f64,
    pub number_of_times_run: u64,
    /// Rows given for each row read: near one, an index found them; near zero, many were read for few.
    pub query_efficiency: f64,
}

/// What is ordered by, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InsightOrder {
    #[default]
    Time,
    Reads,
    Writes,
    Count,
}

/// Which insights are wanted.
#[derive(Clone, Copy, Debug)]
pub struct InsightQuery {
    pub order: InsightOrder,
    /// Order by the average of one run instead of by the sum.
    pub average: bool,
    /// Back from now, in whole hours.
    pub period: Duration,
    pub limit: usize,
}

impl Default for InsightQuery {
    /// wrangler's.
    fn default() -> Self {
        Self { order: InsightOrder::Time, average: false, period: Duration::from_hours(24), limit: 5 }
    }
}

#[derive(Debug)]
pub(crate) struct Insights {
    begun: Instant,
    tallies: Mutex<HashMap<Arc<str>, Arc<Tally>>>,
}

/// The sums of one statement. Held by what runs it, so that counting needs no look-up.
#[derive(Debug)]
pub(crate) struct Tally {
    begun: Instant,
    /// Hours since `begun`, rising, with their sums.
    hours: Mutex<VecDeque<(u64, Sums)>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    runs: u64,
    time: Duration,
    rows: u64,
    counts: Counts,
}

impl Tally {
    /// One run that gave `rows`.
    pub(crate) fn add(&self, time: Duration, rows: u64, counts: Counts) {
        let hour = hour(self.begun);
        let mut hours = lock(&self.hours);
        if hours.back().is_none_or(|(last, _)| *last != hour) {
            hours.retain(|(old, _)| old + HOURS > hour);
            hours.push_back((hour, Sums::default()));
        }
        if let Some((_, sums)) = hours.back_mut() {
            sums.add(&Sums { runs: 1, time, rows, counts });
        }
    }

    fn since(&self, first: u64) -> Sums {
        let mut all = Sums::default();
        for (_, sums) in lock(&self.hours).iter().filter(|(hour, _)| *hour >= first) {
            all.add(sums);
        }
        all
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.time += other.time;
        self.rows += other.rows;
        self.counts.read += other.counts.read;
        self.counts.written += other.counts.written;
    }

    #[expect(clippy::cast_precision_loss, reason = "averages of counts that stay far below 2^53")]
    fn insight(&self, query: &str) -> Insight {
        let Self { runs, time, rows, counts } = *self;
        let milliseconds = time.as_secs_f64() * 1000.0;
        let each = |sum: f64| sum / runs.max(1) as f64;
        Insight {
            query: query.to_owned(),
            avg_rows_read: each(counts.read as f64),
            total_rows_read: counts.read,
            avg_rows_written: each(counts.written as f64),
            total_rows_written: counts.written,
            avg_duration_ms: each(milliseconds),
            total_duration_ms: milliseconds,
            number_of_times_run: runs,
            query_efficiency: if counts.read == 0 { 0.0 } else { rows as f64 / counts.read as f64 },
        }
    }
}

impl Insights {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), tallies: Mutex::default() }
    }

    /// Where the runs of `sql`, one statement, are counted.
    pub(crate) fn tally(&self, sql: &str) -> Arc<Tally> {
        let query = normal(sql);
        let mut tallies = lock(&self.tallies);
        if let Some(known) = tallies.get(query.as_str()) {
            return Arc::clone(known);
        }
        if tallies.len() >= QUERIES {
            forget_the_cheapest(&mut tallies);
        }
        let tally = Arc::new(Tally { begun: self.begun, hours: Mutex::default() });
        tallies.insert(query.into(), Arc::clone(&tally));
        tally
    }

    pub(crate) fn top(&self, wanted: InsightQuery) -> Vec<Insight> {
        let hours = wanted.period.as_secs().div_ceil(3600);
        let first = (hour(self.begun) + 1).saturating_sub(hours);
        let mut all: Vec<Insight> = lock(&self.tallies)
            .iter()
            .map(|(query, tally)| tally.since(first).insight(query))
            .filter(|insight| insight.number_of_times_run > 0)
            .collect();
        all.sort_by(|a, b| key(b, wanted).total_cmp(&key(a, wanted)).then_with(|| a.query.cmp(&b.query)));
        all.truncate(wanted.limit);
        all
    }
}

#[expect(clippy::cast_precision_loss, reason = "an order does not change by it")]
fn key(insight: &Insight, wanted: InsightQuery) -> f64 {
    match (wanted.order, wanted.average) {
        (InsightOrder::Time, false) => insight.total_duration_ms,
        (InsightOrder::Time, true) => insight.avg_duration_ms,
        (InsightOrder::Reads, false) => insight.total_rows_read as f64,
        (InsightOrder::Reads, true) => insight.avg_rows_read,
        (InsightOrder::Writes, false) => insight.total_rows_written as f64,
        (InsightOrder::Writes, true) => insight.avg_rows_written,
        (InsightOrder::Count, _) => insight.number_of_times_run as f64,
    }
}

/// A quarter of them, of those that nothing is about to run.
fn forget_the_cheapest(tallies: &mut HashMap<Arc<str>, Arc<Tally>>) {
    let mut idle: Vec<(Duration, Arc<str>)> = tallies
        .iter()
        .filter(|(_, tally)| Arc::strong_count(tally) == 1)
        .map(|(query, tally)| (tally.since(0).time, Arc::clone(query)))
        .collect();
    idle.sort();
    for (_, query) in idle.into_iter().take(QUERIES / 4) {
        tallies.remove(&query);
    }
}

fn hour(begun: Instant) -> u64 {
    begun.elapsed().as_secs() / 3600
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `sql` with `?` for each literal and each parameter, one space for any, no comments, and lists of values as one
/// value.
fn normal(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len().min(LENGTH));
    for (token, text) in crate::split::tokens(sql) {
        let text = match token {
            crate::split::Lexeme::Space => {
                if !out.is_empty() && !out.ends_with(' ') {
                    out.push(' ');
                }
                continue;
            }
            crate::split::Lexeme::Value => "?",
            crate::split::Lexeme::Other => text,
        };
        // A doubled quote is two texts side by side.
        if text == "?" && out.ends_with('?') {
            continue;
        }
        // `(1, 2, 3)` and `(?, ?)` are `(?)`.
        if text == "?" && ends_with_value(&out) {
            out.truncate(out.trim_end_matches([' ', ',']).len());
            continue;
        }
        out.push_str(text);
        if out.len() > LENGTH {
            out.truncate(out.floor_char_boundary(LENGTH));
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn ends_with_value(out: &str) -> bool {
    out.trim_end().strip_suffix(',').is_some_and(|before| before.trim_end().ends_with('?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_differ_in_values_are_one() {
        for (sql, expected) in [
            ("SELECT  *\n FROM t -- all\n WHERE a = 5", "SELECT * FROM t WHERE a = ?"),
            ("SELECT 'it''s', x'00', 1.5e3, .5, 0x1F, NULL", "SELECT ?, NULL"),
            ("SELECT ?1, ?, :name, @a, $b", "SELECT ?"),
            ("INSERT INTO t2 (a, b) VALUES (1, 'x'), (2, 'y')", "INSERT INTO t2 (a, b) VALUES (?), (?)"),
            ("SELECT a1 FROM \"t 1\" WHERE `b2` IN (1,2,3)", "SELECT a1 FROM \"t 1\" WHERE `b2` IN (?)"),
            ("SELECT [c 3]/* 4 */ FROM t WHERE a>5 AND b=6", "SELECT [c 3] FROM t WHERE a>? AND b=?"),
        ] {
            assert_eq!(normal(sql), expected, "{sql}");
        }
        assert!(normal(&format!("SELECT '{}', é", "x".repeat(9000))).len() < 20);
        assert!(normal(&"é".repeat(9000)).len() <= LENGTH);
    }

    #[test]
    fn sums_are_ordered_and_the_cheapest_are_forgotten() {
        let insights = Insights::new();
        let run = |sql: &str, milliseconds: u64, read: u64| {
            let counts = Counts { read, written: 0 };
            insights.tally(sql).add(Duration::from_millis(milliseconds), 1, counts);
        };
        run("SELECT 1 FROM a", 10, 5);
        run("SELECT 2 FROM a", 30, 5);
        run("SELECT 1 FROM b", 35, 1);
        let top = |order, average| {
            insights.top(InsightQuery { order, average, ..InsightQuery::default() }).remove(0).query
        };
        assert_eq!(top(InsightOrder::Time, false), "SELECT ? FROM a");
        assert_eq!(top(InsightOrder::Time, true), "SELECT ? FROM b");
        assert_eq!(top(InsightOrder::Reads, true), "SELECT ? FROM a");
        let all = insights.top(InsightQuery::default());
        assert_eq!((all.len(), all[0].number_of_times_run, all[0].total_rows_read), (2, 2, 10));
        assert!((all[0].query_efficiency - 0.2).abs() < 1e-9);
        for n in 0..2 * QUERIES {
            run(&format!("SELECT c{n} FROM c"), 1, 1);
        }
        assert!(lock(&insights.tallies).len() <= QUERIES);
        assert_eq!(top(InsightOrder::Time, false), "SELECT ? FROM a", "what took long is kept");
    }
}
