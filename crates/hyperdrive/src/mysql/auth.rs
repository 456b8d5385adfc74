//! Proofs that one knows a password, made for the origin and checked for clients.

use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(super) const NATIVE: &str = "mysql_native_password";
pub(super) const CACHING: &str = "caching_sha2_password";

/// As long as a nonce is. None of its bytes is zero, because it is sent with a zero after it.
pub(super) const NONCE: usize = 20;

/// The way a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Native,
    CachingSha2,
}

impl Method {
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => NATIVE,
            Self::CachingSha2 => CACHING,
        }
    }

    /// The proof for a nonce. An empty password has an empty one.
    pub(super) fn proof(self, password: &[u8], nonce: &[u8]) -> Vec<u8> {
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            // SHA1(password) XOR SHA1(nonce + SHA1(SHA1(password)))
            Self::Native => {
                let once = Sha1::digest(password);
                let mask = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
                xor(&once, &mask)
            }
            // SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce)
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let mask = Sha256::new().chain_update(Sha256::digest(once)).chain_update(nonce).finalize();
                xor(&once, &mask)
            }
        }
    }
}

/// Compares without telling by its time where the difference is.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The password and its closing zero, hidden under the nonce: what is put into RSA.
pub(super) fn masked(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let plain = password.iter().chain(&[0]);
    plain.zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect()
}

/// Random bytes that can stand before a zero.
pub(super) fn nonce(clock: &dyn selvedge_base::Clock) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    clock.random(&mut nonce);
    for byte in &mut nonce {
        // Seven bits, and neither zero nor `$`, which some servers avoid too.
        *byte = match *byte & 0x7f {
            0 => 1,
            b'$' => b'%',
            other => other,
        };
    }
    nonce
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_the_servers() {
        // Computed by MariaDB: the stored hash of "password" is SHA1(SHA1(password)).
        let nonce = b"aaaaaaaaaaaaaaaaaaaa";
        let proof = Method::Native.proof(b"password", nonce);
        let stored = Sha1::digest(Sha1::digest(b"password"));
        assert_eq!(hex::encode(stored), "2470c0c06dee42fd1618bb99005adca2ec9d1e19");
        // What a server does: it takes the mask off, hashes, and compares with what it has stored.
        let mask =
            Sha1::new().chain_update(nonce).chain_update(Sha1::digest(Sha1::digest(b"password"))).finalize();
        assert_eq!(Sha1::digest(xor(&proof, &mask)), stored);
        let proof = Method::CachingSha2.proof(b"password", nonce);
        let stored = Sha256::digest(Sha256::digest(b"password"));
        let mask = Sha256::new().chain_update(stored).chain_update(nonce).finalize();
        assert_eq!(Sha256::digest(xor(&proof, &mask)), stored);
        assert!(Method::Native.proof(b"", nonce).is_empty());
    }

    #[test]
    fn a_mask_comes_off() {
        let hidden = masked(b"a password that is longer than the nonce", b"12345678901234567890");
        let shown: Vec<u8> =
            hidden.iter().zip(b"12345678901234567890".iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(shown, b"a password that is longer than the nonce\0");
    }

    #[test]
    fn a_nonce_has_no_zero() {
        for _ in 0..200 {
            assert!(nonce(&selvedge_base::SystemClock).iter().all(|&byte| byte != 0 && byte < 128));
        }
    }
}
