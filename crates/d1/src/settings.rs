use std::time::Duration;

/// How one database is kept. Off the limits, which hold for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Every commit goes to a log, for time travel and replicas.
    pub history: bool,
    /// How far back the log reaches.
    pub retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { history: true, retention: Duration::from_hours(30 * 24) }
    }
}
