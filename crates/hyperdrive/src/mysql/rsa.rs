//! Hiding a password under the origin's public key, for origins without TLS.

use rsa::pkcs8::DecodePublicKey as _;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{Oaep, RsaPublicKey};
use selvedge_base::Clock;
use sha1::Sha1;

/// Encrypts with the public key, in PEM, as MySQL wants it: OAEP with SHA-1.
pub(super) fn encrypt(key: &[u8], plain: &[u8], clock: &dyn Clock) -> Result<Vec<u8>, &'static str> {
    let key = std::str::from_utf8(key).map_err(|_| "it is no text")?;
    let key = RsaPublicKey::from_public_key_pem(key.trim_end_matches('\0'))
        .map_err(|_| "it is no RSA key in PEM")?;
    key.encrypt(&mut Random(clock), Oaep::<Sha1>::new(), plain).map_err(|_| "the password is too long for it")
}

/// The clock's randomness, as the crate asks for it.
struct Random<'a>(&'a dyn Clock);

impl TryRng for Random<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.random(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.random(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.random(out);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}
