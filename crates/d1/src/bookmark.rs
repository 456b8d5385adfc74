//! Positions that a session can hold on to.

use selvedge_base::{Clock, Millis, random_hex};

/// The commits of one database since it was opened, as numbers that go on rising when it is opened again.
///
/// The number starts from the clock, with room for four million commits in each millisecond, so the next start
/// is above everything handed out before unless the machine's clock was set back. That is all a bookmark of
/// today means: there is one copy of the database, every answer comes from it, and so every bookmark is
/// satisfied. It says when, not which pages.
#[derive(Debug)]
pub(crate) struct Position {
    start: u64,
    /// Of this opening of the file; the last field of every bookmark.
    boot: String,
}

impl Position {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let Millis(now) = clock.now();
        let start = ((now / 1000) << 32) | ((now % 1000) << 22);
        Self { start, boot: random_hex(clock, 16) }
    }

    /// The bookmark after `commits` commits. Of Cloudflare's shape, `8hex-8hex-8hex-32hex`, and ordered as
    /// strings the way the commits were.
    pub(crate) fn bookmark(&self, commits: u64) -> String {
        let position = self.start + commits;
        format!("{:08x}-{:08x}-00000000-{}", position >> 32, position & 0xffff_ffff, self.boot)
    }
}

#[cfg(test)]
mod tests {
    use selvedge_base::ManualClock;

    use super::*;

    #[test]
    fn bookmarks_rise_with_commits_and_with_a_restart_in_the_next_millisecond() {
        let clock = ManualClock::at(Millis(1_800_000_000_999));
        let first = Position::new(&*clock);
        let mut all: Vec<String> = [0, 1, 2, 255, 256, 4_000_000].map(|n| first.bookmark(n)).into();
        clock.advance(1);
        all.push(Position::new(&*clock).bookmark(0));
        assert!(all.is_sorted(), "{all:?}");
        let fields: Vec<usize> = all[0].split('-').map(str::len).collect();
        assert_eq!(fields, [8, 8, 8, 32]);
    }
}
