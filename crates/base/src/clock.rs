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

    /// The day in UTC, as `YYYY-MM-DD`.
    pub fn date(self) -> String {
        // Days are counted from 0000-03-01, so that a leap day is the last of its year; 400 years have 146,097.
        let days = self.0 / 86_400_000 + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
    }
}

impl Millis {
    /// The moment in UTC, as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    pub fn iso(self) -> String {
        let (second, ms) = (self.0 / 1000 % 86_400, self.0 % 1000);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        format!("{}T{hour:02}:{minute:02}:{:02}.{ms:03}Z", self.date(), second % 60)
    }

    /// The moment that `text` names: `YYYY-MM-DD`, or that with `THH:MM:SS`, a fraction or not, and `Z` behind it.
    /// `None` when it is anything else, or before 1970.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let number = |text: &str, digits: usize| {
            let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse::<u64>().ok()).flatten()
        };
        let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
        let mut fields = date.split('-');
        let (year, month, day) =
            (number(fields.next()?, 4)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
        let (clock, fraction) = match time.strip_suffix('Z')?.split_once('.') {
            Some((clock, fraction)) => (clock, fraction),
            None => (time.strip_suffix('Z')?, "0"),
        };
        let mut fields = fields.chain(clock.split(':'));
        let (hour, minute, second) =
            (number(fields.next()?, 2)?, number(fields.next()?, 2)?, number(fields.next()?, 2)?);
        let ms = format!("{fraction:0<3}");
        let ms = number(ms.get(..3)?, 3)?;
        if fields.next().is_some() || year < 1970 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Days from 0000-03-01, as in `date`.
        let (y, m) = if month > 2 { (year, month.checked_sub(3)?) } else { (year - 1, month + 9) };
        let days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day.checked_sub(1)? - 719_468;
        let at = Self(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms);
        // A day that there is not is written as another one.
        (at.date() == date).then_some(at)
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

/// A clock that runs with another one, ahead of it by as much as it was told.
pub struct ShiftedClock {
    clock: SharedClock,
    /// Milliseconds.
    ahead: AtomicU64,
}

impl ShiftedClock {
    /// One that shows the same time as `clock`, so far.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, ahead: AtomicU64::new(0) })
    }

    /// Moves it forward; it cannot go back.
    pub fn advance(&self, millis: u64) {
        self.ahead.fetch_add(millis, Ordering::SeqCst);
    }

    /// Milliseconds by which it is ahead.
    pub fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for ShiftedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShiftedClock").field("ahead", &self.ahead()).finish_non_exhaustive()
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Millis {
        Millis(self.clock.now().0.saturating_add(self.ahead()))
    }

    fn random(&self, out: &mut [u8]) {
        self.clock.random(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_the_calendar() {
        let dates = [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_735_689_599, "2024-12-31")];
        for (secs, date) in
            dates.into_iter().chain([(1_795_305_600, "2026-11-22"), (4_107_542_400, "2100-03-01")])
        {
            assert_eq!(Millis(secs * 1000).date(), date);
        }
    }

    #[test]
    fn a_moment_comes_back_from_its_text() {
        for ms in [0, 1, 951_782_399_999, 1_795_305_600_123, 4_107_542_400_000] {
            assert_eq!(Millis::parse_iso(&Millis(ms).iso()), Some(Millis(ms)));
        }
        assert_eq!(Millis(1_795_339_845_060).iso(), "2026-11-22T09:30:45.060Z");
        assert_eq!(Millis::parse_iso("2024-02-29"), Some(Millis(1_709_164_800_000)));
        assert_eq!(Millis::parse_iso("2024-02-29T01:00:00Z"), Some(Millis(1_709_168_400_000)));
        let wrong = [
            "",
            "2023-02-29",
            "2024-13-01",
            "2024-1-1",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "1969-12-31",
            "2024-01-01T00:00:00+01:00",
            "2024-01-01-01",
            "2024-00-10",
            "2024-01-00",
        ];
        for text in wrong {
            assert_eq!(Millis::parse_iso(text), None, "{text}");
        }
    }

    #[test]
    fn a_shifted_clock_is_ahead_and_runs_on() {
        let under = ManualClock::at(Millis(1_000));
        let clock = ShiftedClock::new(Arc::clone(&under) as SharedClock);
        clock.advance(60_000);
        under.advance(5);
        clock.advance(500);
        assert_eq!((clock.now(), clock.ahead()), (Millis(61_505), 60_500));
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Millis(1_500));
        assert_eq!(clock.now(), Millis(1_500));
        clock.advance(600);
        assert_eq!(clock.now().secs(), 2);
    }
}
