//! Errors as PostgreSQL sends them, ours and the origin's.

use std::fmt;

use super::message::{from_origin, push, push_text, text};

/// An error that a client is told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgError {
    /// `ERROR`, or `FATAL` if the connection ends with it.
    pub severity: Severity,
    /// Five characters: the SQLSTATE.
    pub code: [u8; 5],
    pub message: Box<str>,
    pub detail: Option<Box<str>>,
    pub hint: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

impl Severity {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Error => b"ERROR",
            Self::Fatal => b"FATAL",
        }
    }
}

impl PgError {
    pub(super) fn new(code: [u8; 5], message: impl Into<Box<str>>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), detail: None, hint: None }
    }

    pub(super) fn fatal(code: [u8; 5], message: impl Into<Box<str>>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(code, message) }
    }

    pub(super) fn detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a client did is not protocol 3.
    pub(super) fn protocol(message: impl Into<Box<str>>) -> Self {
        Self::fatal(*b"08P01", message)
    }

    /// The text Cloudflare gives when no connection became free.
    pub(super) fn no_connection(detail: impl Into<Box<str>>) -> Self {
        Self::new(*b"58000", "Failed to acquire a connection from the pool.").detail(detail)
    }

    /// The text Cloudflare gives when the origin cannot be reached; `word` is like `connection_refused`.
    pub(super) fn unreachable(word: &str, detail: impl Into<Box<str>>) -> Self {
        Self::new(*b"58000", format!("Server connection attempt failed: {word}")).detail(detail)
    }

    pub(super) fn shutting_down() -> Self {
        Self::fatal(*b"57P01", "terminating connection due to administrator command")
    }

    /// What the client asked for needs a session of its own, which transaction pooling does not give.
    pub(super) fn needs_session(what: &str) -> Self {
        Self::new(*b"0A000", format!("{what} is not supported by Hyperdrive in transaction mode"))
            .detail(
                "The connection goes to another client after every transaction, and its state does not stay.",
            )
            .hint("Connect to the origin directly, or use a configuration in session mode.")
    }

    pub(super) fn push(&self, out: &mut Vec<u8>) {
        self.push_as(out, self.severity);
    }

    pub(super) fn push_as(&self, out: &mut Vec<u8>, severity: Severity) {
        push(out, from_origin::ERROR, |out| {
            let mut field = |kind: u8, value: &[u8]| {
                out.push(kind);
                push_text(out, value);
            };
            field(b'S', severity.text());
            field(b'V', severity.text());
            field(b'C', &self.code);
            field(b'M', self.message.as_bytes());
            if let Some(detail) = &self.detail {
                field(b'D', detail.as_bytes());
            }
            if let Some(hint) = &self.hint {
                field(b'H', hint.as_bytes());
            }
            out.push(0);
        });
    }
}

/// The body of an `ErrorResponse` that an origin sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OriginMessage(Box<[u8]>);

impl OriginMessage {
    pub(super) fn new(body: &[u8]) -> Self {
        Self(body.into())
    }

    /// The SQLSTATE; empty if there is none.
    pub fn code(&self) -> &[u8] {
        field(&self.0, b'C').unwrap_or_default()
    }

    pub fn message(&self) -> String {
        String::from_utf8_lossy(field(&self.0, b'M').unwrap_or_default()).into_owned()
    }

    /// Sends it on: all fields as they are but the severity, which says what becomes of *our* connection.
    pub(super) fn push_as(&self, out: &mut Vec<u8>, severity: Severity) {
        push(out, from_origin::ERROR, |out| {
            for (kind, value) in fields(&self.0) {
                out.push(kind);
                push_text(out, if matches!(kind, b'S' | b'V') { severity.text() } else { value });
            }
            out.push(0);
        });
    }
}

impl fmt::Debug for OriginMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for OriginMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message(), String::from_utf8_lossy(self.code()))
    }
}

/// The value of one field of an error's or a notice's body.
pub(super) fn field(body: &[u8], kind: u8) -> Option<&[u8]> {
    fields(body).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

fn fields(mut body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&kind, rest) = body.split_first().filter(|(kind, _)| **kind != 0)?;
        let (value, rest) = text(rest)?;
        body = rest;
        Some((kind, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_fields_that_drivers_read() {
        let mut out = Vec::new();
        PgError::needs_session("LISTEN").push(&mut out);
        let body = &out[5..];
        assert_eq!(field(body, b'C'), Some(&b"0A000"[..]));
        assert_eq!(field(body, b'V'), Some(&b"ERROR"[..]));
        assert!(field(body, b'M').unwrap().starts_with(b"LISTEN is not supported"));
        assert!(field(body, b'H').is_some());
        assert_eq!(field(body, b'W'), None);
    }

    #[test]
    fn an_origins_error_keeps_its_fields_but_not_its_severity() {
        let body = b"SFATAL\0VFATAL\0C28P01\0Mno way\0Fauth.c\0\0";
        let message = OriginMessage::new(body);
        assert_eq!(message.to_string(), "no way (SQLSTATE 28P01)");
        let mut out = Vec::new();
        message.push_as(&mut out, Severity::Error);
        assert_eq!(&out[5..], b"SERROR\0VERROR\0C28P01\0Mno way\0Fauth.c\0\0");
        assert_eq!(OriginMessage::new(b"Cnot ended").code(), b"");
    }
}
