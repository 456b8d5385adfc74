//! The one source of time and randomness.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// Whole seconds since the epoch, rounded down.
    pub fn secs(self) -> u64 {
        self.0 / 1000
    }
}

/// Where a part of the system gets the time and random bytes from. Tests hand in a [`ManualClock`].
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Millis;

    /// Fills `out` with bytes nobody can guess.
    fn random(&self, out: &mut [u8]);
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clock and random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the replacement the ban points to")]
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the replacement the ban points to")]
    fn random(&self, out: &mut [u8]) {
        // Tokens and ids depend on it: going on without randomness would be worse than stopping.
        getrandom::fill(out).expect("the operating system has no random bytes");
    }
}

/// A clock that moves only when told to. Its random bytes still come from the system.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn at(start: Millis) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(start.0)))
    }

    pub fn advance(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }

    fn random(&self, out: &mut [u8]) {
        SystemClock.random(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Millis(1_500));
        assert_eq!(clock.now(), Millis(1_500));
        clock.advance(600);
        assert_eq!(clock.now().secs(), 2);
    }
}
