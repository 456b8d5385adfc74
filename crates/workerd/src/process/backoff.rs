//! How long to wait before a process that died is started again.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
const STEADY: Duration = Duration::from_secs(30);

/// Doubles from 0.1 to 10 seconds, and begins again after a process stayed up for 30 seconds.
#[derive(Debug, Default)]
pub struct Backoff {
    started: Option<Instant>,
    failures: u32,
}

impl Backoff {
    /// Says that a process runs now.
    pub fn started(&mut self) {
        self.started_at(Instant::now());
    }

    /// Says that it died, or that it did not start. Returns how long to wait before the next try.
    #[expect(clippy::should_implement_trait, reason = "it is not a sequence that somebody goes through")]
    pub fn next(&mut self) -> Duration {
        self.next_at(Instant::now())
    }

    fn started_at(&mut self, now: Instant) {
        self.started = Some(now);
    }

    fn next_at(&mut self, now: Instant) -> Duration {
        if self.started.take().is_some_and(|at| now.saturating_duration_since(at) >= STEADY) {
            self.failures = 0;
        }
        // Seven doublings are past the longest wait already.
        let wait = (FIRST * 2_u32.pow(self.failures.min(7))).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_ten_seconds() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10)
            .map(|_| {
                backoff.started_at(now);
                backoff.next_at(now + Duration::from_secs(1)).as_millis()
            })
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn a_process_that_stayed_up_begins_anew() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.next_at(now);
        backoff.next_at(now);
        backoff.started_at(now);
        assert_eq!(backoff.next_at(now + Duration::from_secs(29)), FIRST * 4);
        backoff.started_at(now);
        assert_eq!(backoff.next_at(now + Duration::from_secs(30)), FIRST);
    }

    #[test]
    fn a_start_that_failed_does_not_count_as_staying_up() {
        let now = Instant::now();
        let mut backoff = Backoff::default();
        backoff.started_at(now);
        assert_eq!(backoff.next_at(now + STEADY), FIRST);
        assert_eq!(backoff.next_at(now + STEADY * 2), FIRST * 2);
    }
}
