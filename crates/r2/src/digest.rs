//! Checksums of bytes as they pass.

use std::io;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use selvedge_blob::Step;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::{Algorithm, ChecksumKind, Checksums, Error, Result};

/// Counts the MD5, which is always wanted since it is the etag, and whatever else there is to verify.
pub(crate) struct Digester(Vec<(Algorithm, Running)>);

enum Running {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
    Crc(crc_fast::Digest),
}

impl Digester {
    /// Counts the MD5 and `others`.
    pub(crate) fn new(others: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut wanted = vec![Algorithm::Md5];
        for algorithm in others {
            if !wanted.contains(&algorithm) {
                wanted.push(algorithm);
            }
        }
        Self(wanted.into_iter().map(|algorithm| (algorithm, Running::new(algorithm))).collect())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for (_, running) in &mut self.0 {
            running.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Checksums {
        let mut checksums = Checksums::default();
        for (algorithm, running) in self.0 {
            checksums.insert(algorithm, &running.finish(algorithm));
        }
        checksums
    }
}

impl Step for Digester {
    fn step(&mut self, bytes: &Bytes) -> io::Result<()> {
        self.update(bytes);
        Ok(())
    }
}

impl Running {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
            Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64nvme => {
                Self::Crc(crc_fast::Digest::new(crc(algorithm)))
            }
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hash) => hash.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha384(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Crc(hash) => hash.update(bytes),
        }
    }

    fn finish(self, algorithm: Algorithm) -> Vec<u8> {
        match self {
            Self::Md5(hash) => hash.finalize().to_vec(),
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha384(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
            Self::Crc(hash) => crc_bytes(algorithm, hash.finalize()),
        }
    }
}

fn crc(algorithm: Algorithm) -> CrcAlgorithm {
    match algorithm {
        Algorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        Algorithm::Crc64nvme => CrcAlgorithm::Crc64Nvme,
        _ => CrcAlgorithm::Crc32IsoHdlc,
    }
}

/// Big endian, as S3 writes them.
fn crc_bytes(algorithm: Algorithm, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - algorithm.size()..].to_vec()
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

/// The checksum of an object from those of its parts, given with their sizes. `None` when one has none.
pub(crate) fn of_parts<'a>(
    algorithm: Algorithm,
    kind: ChecksumKind,
    parts: impl Iterator<Item = (&'a Checksums, u64)>,
) -> Result<Option<Checksums>> {
    let mut composite = Digester::new([algorithm]);
    let mut whole = None;
    for (checksums, size) in parts {
        let Some(hex) = checksums.get(algorithm) else { return Ok(None) };
        let bytes = hex::decode(hex).map_err(|_| Error::Corrupt("the checksum of a part"))?;
        match kind {
            ChecksumKind::Composite => composite.update(&bytes),
            ChecksumKind::Whole => {
                let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
                whole = Some(
                    whole.map_or(value, |sum| crc_fast::checksum_combine(crc(algorithm), sum, value, size)),
                );
            }
        }
    }
    Ok(match kind {
        ChecksumKind::Whole => whole.map(|value| Checksums::of(algorithm, &crc_bytes(algorithm, value))),
        ChecksumKind::Composite => {
            composite.finish().bytes(algorithm).map(|bytes| Checksums::of(algorithm, &bytes))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "123456789": the check values that every specification gives.
    const CHECKS: [(Algorithm, &str); 8] = [
        (Algorithm::Crc32, "cbf43926"),
        (Algorithm::Crc32c, "e3069283"),
        (Algorithm::Crc64nvme, "ae8b14860a799888"),
        (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
        (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        (
            Algorithm::Sha384,
            "eb455d56d2c1a69de64e832011f3393d45f3fa31d6842f21af92d2fe469c499da5e3179847334a18479c8d1dedea1be3",
        ),
        (
            Algorithm::Sha512,
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d4\
             99c95455b6b5bb503acf574fba8ffe85",
        ),
    ];

    #[test]
    fn every_algorithm_counts_what_its_specification_says() {
        let mut digester = Digester::new(CHECKS.map(|(algorithm, _)| algorithm));
        for piece in ["1234", "", "56789"] {
            digester.update(piece.as_bytes());
        }
        let counted = digester.finish();
        for (algorithm, hex) in CHECKS {
            assert_eq!(counted.get(algorithm), Some(hex), "{algorithm}");
            assert_eq!(hex.len(), 2 * algorithm.size());
        }
    }

    #[test]
    fn a_whole_can_be_had_from_parts() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64nvme] {
            let count = |bytes: &[u8]| {
                let mut digester = Digester::new([algorithm]);
                digester.update(bytes);
                digester.finish().without_md5()
            };
            let parts = [&bytes[..40_000], &bytes[40_000..80_000], &bytes[80_000..]]
                .map(|p| (count(p), p.len() as u64));
            let parts = || parts.iter().map(|(checksums, size)| (checksums, *size));
            let whole = of_parts(algorithm, ChecksumKind::Whole, parts()).unwrap().unwrap();
            assert_eq!(whole, count(&bytes), "{algorithm}");
            let composite = of_parts(algorithm, ChecksumKind::Composite, parts()).unwrap().unwrap();
            assert_ne!(composite, whole);
        }
    }
}
