use std::time::Duration;

/// What one request may ask for. The defaults are Cloudflare's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// UTF-8 bytes of a key, and of the prefix of a listing.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: u64,
    /// UTF-8 bytes of a key's metadata as JSON text.
    pub metadata_bytes: usize,
    /// Seconds that a key must live at least, however its end is given.
    pub min_expiration_ttl: u64,
    /// Seconds that a reader may ask a location to keep a value, at least.
    pub min_cache_ttl: u64,
    /// Keys on one page of a listing, and how many there are when the caller does not say.
    pub list_keys: usize,
    /// Keys in one bulk read.
    pub bulk_keys: usize,
    /// Bytes of all values in the answer to one bulk read.
    pub bulk_bytes: u64,
    /// Pairs in one bulk put, keys in one bulk delete.
    pub bulk_pairs: usize,
    /// Bytes of all values in one bulk put.
    pub bulk_put_bytes: u64,
    /// How long a key must be left alone after a put or delete of it. `None` for no such limit; Cloudflare's is a
    /// second.
    pub key_write_interval: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes: 512,
            value_bytes: 25 * 1024 * 1024,
            metadata_bytes: 1024,
            min_expiration_ttl: 60,
            min_cache_ttl: 30,
            list_keys: 1000,
            bulk_keys: 100,
            bulk_bytes: 25 * 1024 * 1024,
            bulk_pairs: 10_000,
            bulk_put_bytes: 100 * 1024 * 1024,
            key_write_interval: None,
        }
    }
}
