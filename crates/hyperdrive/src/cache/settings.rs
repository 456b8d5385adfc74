//! How long answers are kept, and how many bytes of them.

use std::time::Duration;

/// The cache of one configuration. The defaults are Cloudflare's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Cloudflare's `caching.disabled`, the other way round.
    pub enabled: bool,
    /// For how long after it was asked an answer is given again.
    pub max_age: Duration,
    /// For how long after that it is still given while one caller asks anew.
    pub stale_while_revalidate: Duration,
    /// The most bytes an answer may have to be kept.
    pub answer_bytes: usize,
}

/// Cloudflare's longest `max_age`.
pub const LONGEST_MAX_AGE: Duration = Duration::from_hours(1);

/// The most bytes of all answers of a process, unless it is told otherwise.
pub const DEFAULT_STORE_BYTES: usize = 256 * 1024 * 1024;

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_age: Duration::from_mins(1),
            stale_while_revalidate: Duration::from_secs(15),
            answer_bytes: 50 * 1024 * 1024,
        }
    }
}
