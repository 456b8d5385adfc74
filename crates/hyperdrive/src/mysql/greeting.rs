//! The first packets of a connection, on both sides.

use super::auth::{Method, NONCE};
use super::wire::{Fields, capability, push_number, status};

/// The protocol's version. There is no other in use.
const PROTOCOL: u8 = 10;

/// What a server says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: String,
    /// The number that KILL takes.
    pub(super) connection: u32,
    pub(super) nonce: Vec<u8>,
    pub(super) capabilities: u32,
    pub(super) charset: u8,
    /// The way of proving the password that the server likes best.
    pub(super) method: Vec<u8>,
}

impl Greeting {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        if fields.u8()? != PROTOCOL {
            return None;
        }
        let version = String::from_utf8_lossy(fields.zero_ended()?).into_owned();
        let connection = fields.u32()?;
        let mut nonce = fields.bytes(8)?.to_vec();
        fields.u8()?;
        let mut capabilities = u32::from(fields.u16()?);
        let charset = fields.u8()?;
        fields.u16()?;
        capabilities |= u32::from(fields.u16()?) << 16;
        let length = usize::from(fields.u8()?);
        fields.bytes(10)?;
        let rest = fields.bytes(length.saturating_sub(8).max(13).min(fields.0.len()))?;
        nonce.extend_from_slice(rest);
        nonce.truncate(NONCE);
        // Some old servers leave out the zero after the name.
        let method = fields.zero_ended().unwrap_or(fields.0).to_vec();
        Some(Self { version, connection, nonce, capabilities, charset, method })
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        let mut out = vec![PROTOCOL];
        out.extend_from_slice(self.version.as_bytes());
        out.push(0);
        out.extend_from_slice(&self.connection.to_le_bytes());
        let (first, second) = self.nonce.split_at(8.min(self.nonce.len()));
        out.extend_from_slice(first);
        out.push(0);
        let capabilities = self.capabilities.to_le_bytes();
        out.extend_from_slice(&capabilities[..2]);
        out.push(self.charset);
        out.extend_from_slice(&status::AUTOCOMMIT.to_le_bytes());
        out.extend_from_slice(&capabilities[2..]);
        out.push(u8::try_from(self.nonce.len() + 1).unwrap_or(u8::MAX));
        out.extend_from_slice(&[0; 10]);
        out.extend_from_slice(second);
        out.push(0);
        out.extend_from_slice(&self.method);
        out.push(0);
        out
    }
}

/// What a client answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) capabilities: u32,
    pub(super) charset: u8,
    pub(super) user: Vec<u8>,
    pub(super) proof: Vec<u8>,
    pub(super) database: Vec<u8>,
    pub(super) method: Vec<u8>,
}

/// The longest packet that we tell a server we take.
const LONGEST: u32 = 1 << 30;

impl Response {
    /// `None` for what no client sends, also for clients older than MySQL 4.1.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        let capabilities = fields.u32()?;
        let has = |capability: u32| capabilities & capability != 0;
        fields.u32()?;
        let charset = fields.u8()?;
        fields.bytes(23)?;
        if !has(capability::PROTOCOL_41) {
            return None;
        }
        let user = fields.zero_ended()?.to_vec();
        let proof = if has(capability::LONG_AUTH_DATA) {
            fields.text()?
        } else if has(capability::SECURE_CONNECTION) {
            let length = fields.u8()?;
            fields.bytes(length.into())?
        } else {
            fields.zero_ended()?
        };
        let proof = proof.to_vec();
        let mut optional = |wanted: u32| {
            if !has(wanted) {
                return Vec::new();
            }
            fields.zero_ended().unwrap_or_default().to_vec()
        };
        let database = optional(capability::CONNECT_WITH_DATABASE);
        let method = optional(capability::PLUGIN_AUTH);
        Some(Self { capabilities, charset, user, proof, database, method })
    }

    /// Is it only the start, sent before TLS?
    pub(super) fn asks_for_tls(payload: &[u8]) -> bool {
        payload.len() == 32 && Fields(payload).u32().is_some_and(|flags| flags & capability::TLS != 0)
    }

    /// What comes before TLS.
    pub(super) fn tls_request(&self) -> Vec<u8> {
        let mut out = (self.capabilities | capability::TLS).to_le_bytes().to_vec();
        out.extend_from_slice(&LONGEST.to_le_bytes());
        out.push(self.charset);
        out.extend_from_slice(&[0; 23]);
        out
    }

    pub(super) fn payload(&self, encrypted: bool) -> Vec<u8> {
        let mut out = self.tls_request();
        if !encrypted {
            out[..4].copy_from_slice(&self.capabilities.to_le_bytes());
        }
        out.extend_from_slice(&self.user);
        out.push(0);
        if self.capabilities & capability::LONG_AUTH_DATA != 0 {
            push_number(&mut out, self.proof.len() as u64);
        } else {
            out.push(u8::try_from(self.proof.len()).unwrap_or(u8::MAX));
        }
        out.extend_from_slice(&self.proof);
        if self.capabilities & capability::CONNECT_WITH_DATABASE != 0 {
            out.extend_from_slice(&self.database);
            out.push(0);
        }
        if self.capabilities & capability::PLUGIN_AUTH != 0 {
            out.extend_from_slice(&self.method);
            out.push(0);
        }
        out
    }
}

/// The server's wish for another method, with a nonce of its own.
pub(super) fn switch_request(method: Method, nonce: &[u8]) -> Vec<u8> {
    let mut out = vec![0xfe];
    out.extend_from_slice(method.name().as_bytes());
    out.push(0);
    out.extend_from_slice(nonce);
    out.push(0);
    out
}

/// An OK packet with nothing to tell.
pub(super) fn ok(status: u16) -> Vec<u8> {
    let mut out = vec![0, 0, 0];
    out.extend_from_slice(&status.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_greeting_comes_back() {
        let greeting = Greeting {
            version: "10.11.14-MariaDB".to_owned(),
            connection: 77,
            nonce: b"abcdefghijklmnopqrst".to_vec(),
            capabilities: 0x1234_5678,
            charset: 45,
            method: b"mysql_native_password".to_vec(),
        };
        assert_eq!(Greeting::parse(&greeting.payload()), Some(greeting));
    }

    #[test]
    fn a_response_comes_back_with_and_without_its_optional_parts() {
        let mut response = Response {
            capabilities: capability::COMMON,
            charset: 45,
            user: b"me".to_vec(),
            proof: vec![7; 20],
            method: b"mysql_native_password".to_vec(),
            ..Response::default()
        };
        assert_eq!(Response::parse(&response.payload(false)), Some(response.clone()));
        response.capabilities |= capability::CONNECT_WITH_DATABASE | capability::LONG_AUTH_DATA;
        response.database = b"db".to_vec();
        assert_eq!(Response::parse(&response.payload(false)), Some(response.clone()));
        assert!(Response::asks_for_tls(&response.tls_request()));
        assert!(!Response::asks_for_tls(&response.payload(true)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = (Greeting::parse(&bytes), Response::parse(&bytes), Response::asks_for_tls(&bytes));
            let mut greeting = vec![PROTOCOL];
            greeting.extend_from_slice(&bytes);
            let _ = Greeting::parse(&greeting);
        }
    }
}
