use std::time::Duration;

use selvedge_sqlite::policy;

/// What a database refuses. The defaults are Cloudflare's where Cloudflare has the limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From arrival to answer, waiting included.
    pub request_time: Duration,
    /// Bytes of the database file.
    pub database_size: u64,
    /// Bytes of one answer as JSON. Cloudflare's limit is the 128 MB of the isolate that runs a database.
    pub answer_size: usize,
    /// Writes that may wait.
    pub queue: usize,
    /// Requests that may read at once.
    pub readers: usize,
    /// How long an interactive transaction may last. `None`, Cloudflare's only value: there are none.
    pub transaction_time: Option<Duration>,
    /// What one statement may ask for.
    pub sql: policy::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_time: Duration::from_secs(30),
            database_size: 10_000_000_000,
            answer_size: 128_000_000,
            queue: 1024,
            readers: 4,
            transaction_time: None,
            sql: policy::Limits::default(),
        }
    }
}
