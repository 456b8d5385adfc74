use std::time::Duration;

/// The limits of one pool. The defaults are Cloudflare's where they publish one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Connections to the origin. Cloudflare: 60 on paid plans, settable from 5 to 1,500.
    pub max_connections: usize,
    /// Connections that stay open while nobody uses them.
    pub min_connections: usize,
    /// Clients that may wait for a connection. One more is refused at once.
    pub max_waiting: usize,
    /// For a connection to the origin to be open and authenticated. Cloudflare: 15 s.
    pub connect_timeout: Duration,
    /// For a client to get a connection.
    pub acquire_timeout: Duration,
    /// For a connection nobody uses. Cloudflare: 10 minutes.
    pub idle_timeout: Duration,
    /// For any connection, closed when it is given back after that. `None` is for ever.
    pub max_lifetime: Option<Duration>,
    /// For one statement, or whatever a client sends before it asks for an answer. Cloudflare: 60 s.
    pub statement_timeout: Option<Duration>,
    /// For a client that has a transaction open and sends nothing.
    pub idle_transaction_timeout: Option<Duration>,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_connections: 60,
            min_connections: 0,
            max_waiting: 10_000,
            connect_timeout: Duration::from_secs(15),
            acquire_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(10),
            max_lifetime: Some(Duration::from_hours(1)),
            statement_timeout: Some(Duration::from_mins(1)),
            idle_transaction_timeout: Some(Duration::from_mins(5)),
        }
    }
}

impl PoolConfig {
    /// How often limits are checked: a tenth of the shortest one, between 10 ms and a second.
    pub(super) fn tick(&self) -> Duration {
        let limits = [
            Some(self.acquire_timeout),
            Some(self.idle_timeout),
            self.max_lifetime,
            self.statement_timeout,
            self.idle_transaction_timeout,
        ];
        let shortest = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        (shortest / 10).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_cloudflares() {
        let config = PoolConfig::default();
        assert_eq!((config.max_connections, config.connect_timeout.as_secs()), (60, 15));
        assert_eq!((config.idle_timeout.as_secs(), config.statement_timeout.unwrap().as_secs()), (600, 60));
    }

    #[test]
    fn limits_are_checked_often_enough_to_be_kept() {
        let mut config = PoolConfig::default();
        assert_eq!(config.tick(), Duration::from_secs(1));
        config.statement_timeout = Some(Duration::from_millis(500));
        assert_eq!(config.tick(), Duration::from_millis(50));
        config.statement_timeout = Some(Duration::ZERO);
        assert_eq!(config.tick(), Duration::from_millis(10));
    }
}
