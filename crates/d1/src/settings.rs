use std::time::Duration;

/// How one database is kept. Off the limits, which hold for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Every commit goes to a log, for time travel and replicas.
    pub history: bool,
    /// How far back the log reaches.
    pub retention: Duration,
    /// Needs the history.
    pub replication: Replication,
}

/// The copies that sessions read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// Copies beside the primary, at most [`MOST_REPLICAS`](crate::MOST_REPLICAS).
    pub replicas: usize,
    /// A copy does not have a commit before it is this old.
    pub lag: Duration,
    pub wait: Wait,
}

/// What a session does when the replica that is to answer it does not have its bookmark yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It waits for the bookmark, this much longer than the lag; then the primary answers.
    ForBookmark(Duration),
    /// It reads what there is: what a session promises does not hold. For the tests, which show with it that they
    /// would notice.
    Never,
}

impl Default for Settings {
    fn default() -> Self {
        Self { history: true, retention: Duration::from_hours(30 * 24), replication: Replication::default() }
    }
}

impl Default for Replication {
    fn default() -> Self {
        Self { replicas: 0, lag: Duration::ZERO, wait: Wait::ForBookmark(Duration::from_secs(2)) }
    }
}
