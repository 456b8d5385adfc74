//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), for clients that log in with us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use selvedge_base::Clock;
use sha2::{Digest as _, Sha256};

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";
/// PostgreSQL's own number; drivers refuse less.
const ITERATIONS: u32 = 4096;

/// What a server keeps of a password: enough to check it, not enough to use it.
#[derive(Clone)]
pub(super) struct Verifier {
    salt: [u8; 16],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Verifier {
    pub(super) fn new(password: &str, clock: &dyn Clock) -> Self {
        let mut salt = [0; 16];
        clock.random(&mut salt);
        let salted = salted(password.as_bytes(), &salt);
        let client_key = mac(&salted, &[b"Client Key"]);
        Self {
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: mac(&salted, &[b"Server Key"]),
        }
    }
}

fn mac(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

fn salted(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut block = mac(password, &[salt, &1u32.to_be_bytes()]);
    let mut result = block;
    for _ in 1..ITERATIONS {
        block = mac(password, &[&block]);
        for (byte, other) in result.iter_mut().zip(block) {
            *byte ^= other;
        }
    }
    result
}

/// Why an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScramError {
    /// Not what the RFC describes.
    Malformed(&'static str),
    /// Well-formed, and not from somebody who knows the password.
    WrongPassword,
}

/// One client's exchange, between its two messages.
pub(super) struct Exchange<'a> {
    verifier: &'a Verifier,
    gs2_header: Vec<u8>,
    /// `client-first-message-bare,server-first-message`
    transcript: Vec<u8>,
    nonce: Vec<u8>,
    server_first: Vec<u8>,
}

impl<'a> Exchange<'a> {
    /// From the client's first message: `n,,n=user,r=nonce`. The user is the one of the startup packet.
    pub(super) fn start(verifier: &'a Verifier, first: &[u8], clock: &dyn Clock) -> Result<Self, ScramError> {
        let bad = ScramError::Malformed;
        let flag_end = first.iter().position(|&b| b == b',').ok_or(bad("no channel binding flag"))?;
        match first.get(..flag_end) {
            Some(b"n" | b"y") => {}
            // We offered no mechanism that has it.
            Some([b'p', ..]) => return Err(bad("channel binding was not offered")),
            _ => return Err(bad("unknown channel binding flag")),
        }
        let rest = &first[flag_end + 1..];
        let name_end = rest.iter().position(|&b| b == b',').ok_or(bad("no authorization identity"))?;
        if name_end != 0 {
            return Err(bad("an authorization identity is not supported"));
        }
        let (gs2_header, bare) = first.split_at(flag_end + 2);
        let client_nonce = bare
            .split(|&b| b == b',')
            .nth(1)
            .and_then(|part| part.strip_prefix(b"r="))
            .filter(|nonce| !nonce.is_empty())
            .ok_or(bad("no nonce"))?;
        let mut random = [0; 18];
        clock.random(&mut random);
        let nonce = [client_nonce, BASE64.encode(random).as_bytes()].concat();
        let salt = BASE64.encode(verifier.salt);
        let server_first = [b"r=", nonce.as_slice(), format!(",s={salt},i={ITERATIONS}").as_bytes()].concat();
        let transcript = [bare, b",", &server_first].concat();
        Ok(Self { verifier, gs2_header: gs2_header.to_vec(), transcript, nonce, server_first })
    }

    /// The answer to the first message.
    pub(super) fn server_first(&self) -> &[u8] {
        &self.server_first
    }

    /// Checks the client's last message, `c=…,r=…,p=…`. Returns ours, by which the client knows that it is us.
    pub(super) fn finish(self, last: &[u8]) -> Result<Vec<u8>, ScramError> {
        let bad = ScramError::Malformed;
        let proof_at = last.windows(3).rposition(|w| w == b",p=").ok_or(bad("no proof"))?;
        let (without_proof, proof) = (&last[..proof_at], &last[proof_at + 3..]);
        let mut parts = without_proof.split(|&b| b == b',');
        let binding = parts.next().and_then(|p| p.strip_prefix(b"c=")).ok_or(bad("no channel binding"))?;
        if BASE64.decode(binding).ok().as_ref() != Some(&self.gs2_header) {
            return Err(bad("another channel binding than in the first message"));
        }
        if parts.next().and_then(|p| p.strip_prefix(b"r=")) != Some(&self.nonce) {
            return Err(bad("another nonce than ours"));
        }
        let proof: [u8; 32] = BASE64
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or(bad("the proof is not a hash"))?;
        let message: [&[u8]; 3] = [&self.transcript, b",", without_proof];
        let mut client_key = mac(&self.verifier.stored_key, &message);
        for (byte, other) in client_key.iter_mut().zip(proof) {
            *byte ^= other;
        }
        // Both sides of the comparison are hashes of what the client sent: its time tells nothing.
        if <[u8; 32]>::from(Sha256::digest(client_key)) != self.verifier.stored_key {
            return Err(ScramError::WrongPassword);
        }
        let signature = mac(&self.verifier.server_key, &message);
        Ok(format!("v={}", BASE64.encode(signature)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    use selvedge_base::SystemClock;

    use super::*;

    fn log_in(password: &[u8], binding: ChannelBinding) -> Result<(), ScramError> {
        let verifier = Verifier::new("pencil", &SystemClock);
        let mut client = ScramSha256::new(password, binding);
        let exchange = Exchange::start(&verifier, client.message(), &SystemClock)?;
        client.update(exchange.server_first()).unwrap();
        let last = exchange.finish(client.message())?;
        client.finish(&last).unwrap();
        Ok(())
    }

    #[test]
    fn who_knows_the_password_gets_in_and_knows_that_we_know_it_too() {
        assert_eq!(log_in(b"pencil", ChannelBinding::unsupported()), Ok(()));
        assert_eq!(log_in(b"pencil", ChannelBinding::unrequested()), Ok(()));
        assert_eq!(log_in(b"pencils", ChannelBinding::unsupported()), Err(ScramError::WrongPassword));
        assert!(matches!(
            log_in(b"pencil", ChannelBinding::tls_server_end_point(vec![1])),
            Err(ScramError::Malformed(_))
        ));
    }

    #[test]
    fn malformed_messages_are_refused() {
        let verifier = Verifier::new("pencil", &SystemClock);
        for first in [&b""[..], b"n", b"n,", b"x,,n=,r=a", b"n,a=me,n=,r=a", b"n,,n=", b"n,,n=,r="] {
            assert!(Exchange::start(&verifier, first, &SystemClock).is_err(), "{first:?}");
        }
        for last in [&b""[..], b"c=biws,r=a", b",p=", b"c=biws,r=wrong,p=AAAA", b"c=eSws,r=a,p=AAAA"] {
            let exchange = Exchange::start(&verifier, b"n,,n=,r=abc", &SystemClock).unwrap();
            assert!(matches!(exchange.finish(last), Err(ScramError::Malformed(_))), "{last:?}");
        }
    }
}
