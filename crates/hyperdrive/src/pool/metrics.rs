use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a pool stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub max_connections: usize,
    /// Connections that nobody has taken.
    pub idle: usize,
    /// Connections that somebody has taken.
    pub active: usize,
    /// Connections that are being opened.
    pub connecting: usize,
    /// Clients that wait for a connection.
    pub waiting: usize,
    /// For how long the first of them has waited.
    pub longest_wait: Duration,
    pub draining: bool,
}

impl Status {
    /// Open connections.
    pub fn size(&self) -> usize {
        self.idle + self.active
    }
}

/// What has happened since the pool was made. All only ever grow.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections_opened: AtomicU64,
    pub connects_failed: AtomicU64,
    /// Closed for a reason of ours: idle or old enough, over the maximum, restarted.
    pub connections_retired: AtomicU64,
    /// Closed because their state was not known to be clean.
    pub connections_discarded: AtomicU64,
    /// Found closed by the origin while they lay idle.
    pub connections_lost: AtomicU64,
    pub acquired: AtomicU64,
    pub acquire_timeouts: AtomicU64,
    pub acquire_refusals: AtomicU64,
    pub statement_timeouts: AtomicU64,
    pub idle_transaction_timeouts: AtomicU64,
    pub cancels: AtomicU64,
    /// Answers that nobody had asked for, or none where there should be one.
    pub protocol_mismatches: AtomicU64,
    pub transactions: AtomicU64,
    pub requests: AtomicU64,
    pub bytes_from_clients: AtomicU64,
    pub bytes_to_clients: AtomicU64,
    pub bytes_from_origin: AtomicU64,
    pub bytes_to_origin: AtomicU64,
    pub clients_accepted: AtomicU64,
    pub clients_refused: AtomicU64,
    /// How long clients waited for a connection, for those that had to.
    pub wait: Histogram,
}

impl Counters {
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub fn one(counter: &AtomicU64) {
        Self::add(counter, 1);
    }

    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Durations in powers of two of a microsecond: bucket `i` holds what took less than `2^i` µs, and not less than
/// half of that.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; Self::BUCKETS],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// The last one, above 17 minutes, is open.
    pub const BUCKETS: usize = 32;

    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        Counters::one(&self.buckets[bucket.min(Self::BUCKETS - 1)]);
        Counters::add(&self.sum_micros, micros);
    }

    /// Pairs of an upper bound in microseconds and the number of durations below it, growing, as Prometheus has them.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        self.buckets.iter().enumerate().scan(0, |total, (i, bucket)| {
            *total += Counters::get(bucket);
            Some((1 << i, *total))
        })
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counters::get).sum()
    }

    pub fn sum(&self) -> Duration {
        Duration::from_micros(Counters::get(&self.sum_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_every_bound_it_is_under() {
        let histogram = Histogram::default();
        for micros in [0, 1, 3, 1000, u64::MAX / 2] {
            histogram.record(Duration::from_micros(micros));
        }
        let below: Vec<_> = histogram.cumulative().collect();
        assert_eq!(&below[..4], &[(1, 1), (2, 2), (4, 3), (8, 3)]);
        assert_eq!((below[9].1, below[10], below[31].1), (3, (1024, 4), 5));
        assert_eq!(histogram.count(), 5);
    }
}
