//! Checksums as callers give and get them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// `Display` is the name R2 uses in messages: `SHA-256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Crc32,
    Crc32c,
    Crc64nvme,
}

impl Algorithm {
    /// Bytes of a checksum.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether the checksum of a whole can be had from those of its parts.
    pub fn combines(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64nvme)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
        })
    }
}

/// What the checksum of an object made of parts is of. An object put in one piece has [`ChecksumKind::Whole`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumKind {
    /// Of all the bytes: S3's `FULL_OBJECT`. For parts, only with an algorithm that [`Algorithm::combines`].
    #[default]
    Whole,
    /// Of the parts' checksums, one after the other: S3's `COMPOSITE`.
    Composite,
}

/// Checksums by algorithm, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut checksums = Self::default();
        checksums.insert(algorithm, bytes);
        checksums
    }

    pub fn insert(&mut self, algorithm: Algorithm, bytes: &[u8]) {
        self.0.insert(algorithm, hex::encode(bytes));
    }

    /// In hex.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    /// The bytes themselves.
    pub fn bytes(&self, algorithm: Algorithm) -> Option<Vec<u8>> {
        hex::decode(self.get(algorithm)?).ok()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, &str)> {
        self.0.iter().map(|(&algorithm, hex)| (algorithm, hex.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Without the MD5, which is the etag's.
    pub(crate) fn without_md5(mut self) -> Self {
        self.0.remove(&Algorithm::Md5);
        self
    }

    /// Refuses with [`Error::BadDigest`] when one of `given` differs from what was counted.
    pub(crate) fn verify(&self, given: &Self) -> Result<()> {
        for (algorithm, given) in given.iter() {
            let actual = self.get(algorithm).unwrap_or_default();
            if given != actual {
                let (given, actual) = (given.to_owned(), actual.to_owned());
                return Err(Error::BadDigest { algorithm, given, actual });
            }
        }
        Ok(())
    }
}

/// Checksums that are known only once the body has been read, such as those in HTTP trailers. Their algorithms
/// have to be named beforehand, in `count`.
#[derive(Clone)]
pub struct Trailer(Arc<dyn Fn() -> Result<Checksums> + Send + Sync>);

impl Trailer {
    /// `read` is called once, after the last byte.
    pub fn new(read: impl Fn() -> Result<Checksums> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn read(&self) -> Result<Checksums> {
        (self.0)()
    }
}

impl fmt::Debug for Trailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trailer").finish_non_exhaustive()
    }
}
