//! Positions in a database's history, as strings that a session can hold on to.

use std::sync::Arc;

use selvedge_base::{Clock, Millis, random_hex};
use selvedge_sqlite::History;

/// Makes bookmarks, of Cloudflare's shape: `8hex-8hex-8hex-32hex`, ordered as strings the way the commits were.
/// The first two fields are the position, the third is zero, the last says whose it is.
#[derive(Debug)]
pub(crate) enum Bookmarks {
    /// A position is one in the log.
    Logged(Arc<History>),
    /// Without a log it counts commits since the database was opened, from a number that comes from the clock, with
    /// room for four million commits in each millisecond: so it rises when the database is opened again, unless
    /// the machine's clock was set back.
    Counted { start: u64, boot: String },
}

impl Bookmarks {
    pub(crate) fn new(history: Option<&Arc<History>>, clock: &dyn Clock) -> Self {
        if let Some(history) = history {
            return Self::Logged(Arc::clone(history));
        }
        let Millis(now) = clock.now();
        let start = ((now / 1000) << 32) | ((now % 1000) << 22);
        Self::Counted { start, boot: random_hex(clock, 16) }
    }

    /// For the answer to a read that has ended. `commits` is how many writes were answered before it began.
    ///
    /// What it saw is not behind this, so that whoever waits for it sees no less.
    pub(crate) fn after_read(&self, commits: u64) -> String {
        match self {
            Self::Logged(history) => self.at(history.visible()),
            Self::Counted { start, .. } => self.at(start + commits),
        }
    }

    /// For the answer to a write that was number `commits`.
    pub(crate) fn after_write(&self, commits: u64) -> String {
        match self {
            Self::Logged(history) => self.at(history.position()),
            Self::Counted { start, .. } => self.at(start + commits),
        }
    }

    pub(crate) fn at(&self, position: u64) -> String {
        let head = format!("{:08x}-{:08x}-00000000", position >> 32, position & 0xffff_ffff);
        match self {
            Self::Logged(history) => format!("{head}-{:032x}", history.mark(position)),
            Self::Counted { boot, .. } => format!("{head}-{boot}"),
        }
    }

    /// The position of a bookmark of this database's log.
    pub(crate) fn position(&self, bookmark: &str) -> Option<u64> {
        let Self::Logged(history) = self else { return None };
        let mut fields = bookmark.split('-');
        let mut number = |length: usize| {
            let field = fields.next().filter(|field| field.len() == length)?;
            u128::from_str_radix(field, 16).ok()
        };
        let (high, low, _, mark) = (number(8)?, number(8)?, number(8)?, number(32)?);
        let position = u64::try_from(high << 32 | low).ok()?;
        (fields.next().is_none() && mark == history.mark(position)).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use selvedge_base::ManualClock;

    use super::*;

    #[test]
    fn counted_bookmarks_rise_with_commits_and_with_a_restart_in_the_next_millisecond() {
        let clock = ManualClock::at(Millis(1_800_000_000_999));
        let first = Bookmarks::new(None, &*clock);
        let mut all: Vec<String> = [0, 1, 2, 255, 256, 4_000_000].map(|n| first.after_read(n)).into();
        clock.advance(1);
        all.push(Bookmarks::new(None, &*clock).after_write(0));
        assert!(all.is_sorted(), "{all:?}");
        let fields: Vec<usize> = all[0].split('-').map(str::len).collect();
        assert_eq!(fields, [8, 8, 8, 32]);
    }
}
