//! Checksums of bytes as they pass.

use std::collections::BTreeMap;
use std::fmt;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

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
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// Checksums by algorithm, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub fn insert(&mut self, algorithm: Algorithm, bytes: &[u8]) {
        self.0.insert(algorithm, hex::encode(bytes));
    }

    /// In hex.
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Algorithm, &str)> {
        self.0.iter().map(|(&algorithm, hex)| (algorithm, hex.as_str()))
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

/// The MD5, which is always wanted since it is the etag, and whatever else there is to verify.
pub(crate) struct Digester {
    md5: Md5,
    others: Vec<Running>,
}

enum Running {
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Digester {
    /// Counts the MD5 and what `given` names.
    pub(crate) fn new(given: &Checksums) -> Self {
        let others = given.0.keys().filter_map(|algorithm| match algorithm {
            Algorithm::Md5 => None,
            Algorithm::Sha1 => Some(Running::Sha1(Sha1::new())),
            Algorithm::Sha256 => Some(Running::Sha256(Sha256::new())),
            Algorithm::Sha384 => Some(Running::Sha384(Sha384::new())),
            Algorithm::Sha512 => Some(Running::Sha512(Sha512::new())),
        });
        Self { md5: Md5::new(), others: others.collect() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        for running in &mut self.others {
            match running {
                Running::Sha1(hash) => hash.update(bytes),
                Running::Sha256(hash) => hash.update(bytes),
                Running::Sha384(hash) => hash.update(bytes),
                Running::Sha512(hash) => hash.update(bytes),
            }
        }
    }

    pub(crate) fn finish(self) -> Checksums {
        let mut checksums = Checksums::default();
        checksums.insert(Algorithm::Md5, &self.md5.finalize());
        for running in self.others {
            match running {
                Running::Sha1(hash) => checksums.insert(Algorithm::Sha1, &hash.finalize()),
                Running::Sha256(hash) => checksums.insert(Algorithm::Sha256, &hash.finalize()),
                Running::Sha384(hash) => checksums.insert(Algorithm::Sha384, &hash.finalize()),
                Running::Sha512(hash) => checksums.insert(Algorithm::Sha512, &hash.finalize()),
            }
        }
        checksums
    }
}

/// The etag of an object made of parts: the MD5 over the parts' own MD5s, and how many they are.
pub(crate) fn parts_etag<'a>(md5s: impl Iterator<Item = &'a str>) -> Result<String> {
    let (mut hash, mut count) = (Md5::new(), 0);
    for md5 in md5s {
        hash.update(hex::decode(md5).map_err(|_| Error::Corrupt("the MD5 of a part"))?);
        count += 1;
    }
    Ok(format!("{}-{count}", hex::encode(hash.finalize())))
}
