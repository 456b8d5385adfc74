use std::fmt;

use selvedge_base::{Clock, random_hex};

/// Names one blob: 32 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BlobId(String);

impl BlobId {
    pub(crate) fn random(clock: &dyn Clock) -> Self {
        Self(random_hex(clock, 16))
    }

    /// The id as a database row keeps it. `None` when `text` cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        hex.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of the 256 folders it is in.
    pub(crate) fn folder(&self) -> u8 {
        u8::from_str_radix(&self.0[..2], 16).unwrap_or_default()
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
