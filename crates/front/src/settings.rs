//! What can be set.

use std::time::Duration;

use selvedge_base::{SharedClock, SystemClock};

/// Limits, patience and identity of a [`Front`](crate::Front).
#[derive(Clone)]
pub struct Settings {
    /// Largest request head (request line and headers) in bytes; 431 beyond. Cloudflare allows 128 KB.
    pub header_limit: usize,
    /// Largest request body in bytes; 413 beyond, whether the length was declared or only turned out. `None` is
    /// no limit. Cloudflare's limit depends on the plan: 100 MB (Free, Pro), 200 MB (Business), 500 MB (Enterprise).
    pub body_limit: Option<u64>,
    /// Requests that may be in progress or held at one time; 503 beyond.
    pub request_limit: usize,
    /// How long a request waits while no runtime can take it; 503 after that.
    pub hold: Duration,
    /// How long requests in progress may take to finish when the front door stops; they are cut after that.
    pub drain: Duration,
    /// The code of the place, three letters: `request.cf.colo` and the end of `CF-Ray`.
    pub colo: String,
    /// Where the first ray id comes from.
    pub clock: SharedClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header_limit: 128 * 1024,
            body_limit: Some(500_000_000),
            request_limit: 10_000,
            hold: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            colo: "DEV".to_owned(),
            clock: SystemClock::shared(),
        }
    }
}
