use std::path::PathBuf;
use std::time::Duration;

use selvedge_base::SharedClock;

/// Where a database's history is and how much of it is kept.
#[derive(Clone)]
pub struct HistoryOptions {
    /// A directory of its own.
    pub directory: PathBuf,
    pub clock: SharedClock,
    pub keep: Keep,
}

/// How far back the history reaches and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What is older may go.
    pub retention: Duration,
    /// Every commit that is younger can be restored by itself; of older ones, the last of each `grain`.
    pub exact: Duration,
    /// When single commits take more than this many bytes, the oldest are merged earlier.
    pub exact_bytes: u64,
    pub grain: Duration,
    /// A segment of the log is finished when it has about this many bytes.
    pub segment_bytes: u64,
    /// A snapshot is made when the log has grown by the size of the last one, and at least by this many bytes.
    pub snapshot_bytes: u64,
    /// Pages in SQLite's own log after which they are moved to the database. When the history cannot be written,
    /// writes go on without it after sixteen times as many.
    pub checkpoint: u32,
    /// A read on a thread of its own that lasts longer is stopped when SQLite's own log has become 64 times as long
    /// as `checkpoint` beside it.
    pub longest_read: Duration,
}

impl Default for Keep {
    /// Cloudflare's 30 days, any minute of them.
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(30 * 24),
            exact: Duration::from_hours(24),
            exact_bytes: 1 << 30,
            grain: Duration::from_mins(1),
            segment_bytes: 8 << 20,
            snapshot_bytes: 4 << 20,
            checkpoint: 2000,
            longest_read: Duration::from_secs(30),
        }
    }
}
