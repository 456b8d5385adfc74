//! Encryption with a key of the caller's (SSE-C).
//!
//! Every file, and every object that is a row, has a random salt of its own, and from the caller's key and the
//! salt comes the key that its bytes are encrypted with (HMAC-SHA-256): so the nonces can simply count. Bytes
//! are encrypted in pieces of 65,520 with AES-256-GCM, which its 16 bytes of authentication make 64 KiB, so that
//! a range costs only the pieces it touches. The caller's key itself is never stored: only its MD5, which R2
//! gives back, and a salted verifier that tells a wrong key before anything is read.

use std::fmt;
use std::io;
use std::sync::Arc;

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use md5::{Digest as _, Md5};
use selvedge_base::Clock;
use selvedge_blob::Transform;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Error, Result};

const TAG: usize = 16;
const PLAIN_SIZE: usize = SEALED_SIZE - TAG;
const SEALED_SIZE: usize = 64 * 1024;
/// Bytes encrypted together.
pub(crate) const PLAIN: u64 = PLAIN_SIZE as u64;
/// What they become.
pub(crate) const SEALED: u64 = SEALED_SIZE as u64;
pub(crate) const SALT: usize = 16;

/// A caller's key.
#[derive(Clone)]
pub struct SsecKey(Arc<Zeroizing<[u8; 32]>>);

impl fmt::Debug for SsecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SsecKey(..)")
    }
}

impl SsecKey {
    /// `None` when `key` is not 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        Some(Self(Arc::new(Zeroizing::new(key.try_into().ok()?))))
    }

    /// The MD5 of the key, as S3's headers carry it beside the key.
    pub fn md5(&self) -> [u8; 16] {
        Md5::digest(**self.0).into()
    }

    fn derive(&self, purpose: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&**self.0).expect("a key of 32 bytes");
        mac.update(purpose);
        mac.update(salt);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// What encrypts the bytes that belong to `salt`.
    pub(crate) fn cipher(&self, salt: &[u8]) -> Cipher {
        let key = self.derive(b"selvedge r2 ssec bytes 1", salt);
        Cipher { aead: Aes256Gcm::new((&*key).into()) }
    }
}

/// How an object is encrypted, as its row keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ssec {
    /// The MD5 of the key, in base64.
    key_md5: String,
    salt: String,
    verifier: String,
}

impl fmt::Debug for Ssec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssec").field("key_md5", &self.key_md5).finish_non_exhaustive()
    }
}

impl Ssec {
    pub(crate) fn new(key: &SsecKey, clock: &dyn Clock) -> Self {
        let salt = new_salt(clock);
        let verifier = key.derive(b"selvedge r2 ssec verifier 1", &salt);
        Self {
            key_md5: STANDARD.encode(key.md5()),
            salt: hex::encode(salt),
            verifier: hex::encode(*verifier),
        }
    }

    /// The MD5 of the key, in base64.
    pub fn key_md5(&self) -> &str {
        &self.key_md5
    }

    fn is_by(&self, key: &SsecKey) -> bool {
        let Ok(salt) = hex::decode(&self.salt) else { return false };
        let counted = hex::encode(*key.derive(b"selvedge r2 ssec verifier 1", &salt));
        // Of an HMAC: how far two differing ones agree tells nothing about the key.
        counted == self.verifier
    }
}

/// Whether `given` opens what `stored` describes; R2's refusal when not.
pub(crate) fn check(stored: Option<&Ssec>, given: Option<&SsecKey>) -> Result<()> {
    match (stored, given) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Error::SsecMissing),
        (None, Some(_)) => Err(Error::SsecNotApplicable),
        (Some(stored), Some(given)) if stored.is_by(given) => Ok(()),
        (Some(_), Some(_)) => Err(Error::SsecWrong),
    }
}

pub(crate) fn new_salt(clock: &dyn Clock) -> [u8; SALT] {
    let mut salt = [0; SALT];
    clock.random(&mut salt);
    salt
}

/// Bytes that `size` bytes become.
pub(crate) fn sealed_size(size: u64) -> u64 {
    size + size.div_ceil(PLAIN) * TAG as u64
}

/// Encrypts and decrypts the pieces of one file.
#[derive(Clone)]
pub(crate) struct Cipher {
    aead: Aes256Gcm,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

fn nonce(piece: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&piece.to_be_bytes());
    nonce.into()
}

impl Cipher {
    /// Appends piece number `piece`, encrypted, to `out`.
    fn seal(&self, piece: u64, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self
            .aead
            .encrypt_inout_detached(&nonce(piece), &[], out[start..].as_mut().into())
            .map_err(|_| io::Error::other("AES-GCM did not take a piece"))?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// All of `plain` at once.
    pub(crate) fn seal_all(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(plain.len() + TAG);
        for (number, piece) in (0..).zip(plain.chunks(PLAIN_SIZE)) {
            self.seal(number, piece, &mut out)?;
        }
        Ok(out)
    }

    /// Decrypts `sealed`, whole pieces of which the first has the number `first`, in place, and answers how
    /// many bytes it now is.
    pub(crate) fn open(&self, first: u64, sealed: &mut [u8]) -> io::Result<usize> {
        let (mut read, mut written) = (0, 0);
        let mut number = first;
        while read < sealed.len() {
            let end = sealed.len().min(read + SEALED_SIZE);
            let piece = &mut sealed[read..end];
            let Some(size) = piece.len().checked_sub(TAG) else { return Err(not_authentic()) };
            let (bytes, tag) = piece.split_at_mut(size);
            let tag = Tag::<aes_gcm::aead::consts::U16>::try_from(&*tag).map_err(|_| not_authentic())?;
            self.aead
                .decrypt_inout_detached(&nonce(number), &[], bytes.into(), &tag)
                .map_err(|_| not_authentic())?;
            sealed.copy_within(read..read + size, written);
            written += size;
            read = end;
            number += 1;
        }
        Ok(written)
    }
}

fn not_authentic() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the encrypted bytes are not those written")
}

/// A [`Cipher`] that a file is written through.
pub(crate) struct Sealing {
    cipher: Cipher,
    piece: u64,
    pending: Vec<u8>,
}

impl Sealing {
    pub(crate) fn new(cipher: Cipher) -> Self {
        Self { cipher, piece: 0, pending: Vec::with_capacity(PLAIN_SIZE) }
    }

    fn close(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.cipher.seal(self.piece, &self.pending, out)?;
        self.pending.clear();
        self.piece += 1;
        Ok(())
    }
}

impl Transform for Sealing {
    fn step(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = bytes.len().min(PLAIN_SIZE - self.pending.len());
            self.pending.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.pending.len() == PLAIN_SIZE {
                self.close(out)?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.pending.is_empty() { Ok(()) } else { self.close(out) }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;

    use super::*;

    fn key(byte: u8) -> SsecKey {
        SsecKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn only_the_key_opens_what_it_closed() {
        let stored = Ssec::new(&key(1), &SystemClock);
        assert!(check(Some(&stored), Some(&key(1))).is_ok());
        assert!(matches!(check(Some(&stored), Some(&key(2))), Err(Error::SsecWrong)));
        assert!(matches!(check(Some(&stored), None), Err(Error::SsecMissing)));
        assert!(matches!(check(None, Some(&key(1))), Err(Error::SsecNotApplicable)));
        let kept = serde_json::to_string(&stored).unwrap();
        assert!(!kept.contains(&"01".repeat(8)), "the key is not in the row: {kept}");
        assert!(SsecKey::new(&[0; 31]).is_none());
    }

    #[test]
    fn pieces_come_back_and_no_change_goes_unseen() {
        let plain = PLAIN_SIZE;
        for size in [0, 1, plain - 1, plain, plain + 1, 3 * plain + 7] {
            let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 253).unwrap()).collect();
            let cipher = key(1).cipher(b"salt");
            let sealed = cipher.seal_all(&bytes).unwrap();
            assert_eq!(sealed.len() as u64, sealed_size(size as u64));
            let mut streamed = Vec::new();
            let mut sealing = Sealing::new(cipher.clone());
            for piece in bytes.chunks(10_007) {
                sealing.step(piece, &mut streamed).unwrap();
            }
            sealing.finish(&mut streamed).unwrap();
            assert_eq!(streamed, sealed);
            let mut opened = sealed.clone();
            let length = cipher.open(0, &mut opened).unwrap();
            assert_eq!(opened[..length], bytes);
            for place in (0..sealed.len()).step_by(30_011) {
                let mut changed = sealed.clone();
                changed[place] ^= 1;
                assert!(cipher.open(0, &mut changed).is_err());
            }
            if size > plain {
                assert!(cipher.open(1, &mut sealed.clone()).is_err(), "pieces have their places");
                assert!(key(1).cipher(b"other").open(0, &mut sealed.clone()).is_err());
            }
        }
    }
}
