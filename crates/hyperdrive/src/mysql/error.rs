//! Errors, ours and the origin's, as ERR packets.

use super::wire::Fields;

/// What an ERR packet says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code}, {})", String::from_utf8_lossy(state))]
pub struct MySqlError {
    pub code: u16,
    /// The SQLSTATE.
    pub state: [u8; 5],
    pub message: String,
}

impl MySqlError {
    pub(super) fn new(code: u16, state: [u8; 5], message: impl Into<String>) -> Self {
        Self { code, state, message: message.into() }
    }

    /// Something that MySQL does and Hyperdrive does not.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(1235, *b"42000", message)
    }

    /// Cloudflare's words for what is not relayed.
    pub(super) fn unsupported_command(name: &str) -> Self {
        Self::unsupported(format!("Hyperdrive does not currently support MySQL {name} messages"))
    }

    /// Cloudflare's text for a pool that is exhausted.
    pub(super) fn no_connection(detail: &str) -> Self {
        Self::new(1040, *b"08004", format!("Failed to acquire a connection from the pool. ({detail})"))
    }

    /// Cloudflare's text for an origin that cannot be reached.
    pub(super) fn unreachable(word: &str) -> Self {
        Self::new(1105, *b"HY000", format!("Server connection attempt failed: {word}"))
    }

    pub(super) fn lost() -> Self {
        Self::new(1158, *b"08S01", "the origin closed the connection before it had answered")
    }

    pub(super) fn shutting_down() -> Self {
        Self::new(1053, *b"08S01", "Server shutdown in progress")
    }

    pub(super) fn timed_out() -> Self {
        Self::new(
            3024,
            *b"HY000",
            "Query execution was interrupted, maximum statement execution time exceeded",
        )
    }

    pub(super) fn malformed() -> Self {
        Self::new(1835, *b"HY000", "Malformed communication packet.")
    }

    pub(super) fn access_denied(user: &str, with_password: bool) -> Self {
        let with = if with_password { "YES" } else { "NO" };
        Self::new(
            1045,
            *b"28000",
            format!("Access denied for user '{user}'@'hyperdrive' (using password: {with})"),
        )
    }

    pub(super) fn unknown_database(name: &str) -> Self {
        Self::new(1049, *b"42000", format!("Unknown database '{name}'"))
    }

    /// From the payload of an ERR packet.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        if fields.u8()? != 0xff {
            return None;
        }
        let code = fields.u16()?;
        let mut state = *b"HY000";
        if fields.0.first() == Some(&b'#') {
            state.copy_from_slice(fields.bytes(6)?.get(1..)?);
        }
        Some(Self { code, state, message: String::from_utf8_lossy(fields.0).into_owned() })
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        let mut out = vec![0xff];
        out.extend_from_slice(&self.code.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(&self.state);
        out.extend_from_slice(self.message.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_back_from_its_packet() {
        let error = MySqlError::unsupported_command("COM_INIT_DB");
        assert_eq!(MySqlError::parse(&error.payload()), Some(error.clone()));
        assert_eq!(error.message, "Hyperdrive does not currently support MySQL COM_INIT_DB messages");
        let old = MySqlError::parse(b"\xff\x10\x04Too many connections").unwrap();
        assert_eq!((old.code, old.message.as_str()), (1040, "Too many connections"));
        assert_eq!(MySqlError::parse(b"\xff\x10"), None);
    }
}
