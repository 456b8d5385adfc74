//! The outer shape of protocol 3 messages: one byte of kind, four of length (which counts itself), a body.

/// The longest message PostgreSQL itself accepts.
pub(super) const LONGEST: usize = 0x3fff_ffff;
pub(super) const HEADER: usize = 5;

/// Kinds of message that a client sends.
pub(super) mod from_client {
    pub(in super::super) const BIND: u8 = b'B';
    pub(in super::super) const CLOSE: u8 = b'C';
    pub(in super::super) const COPY_DATA: u8 = b'd';
    pub(in super::super) const COPY_DONE: u8 = b'c';
    pub(in super::super) const COPY_FAIL: u8 = b'f';
    pub(in super::super) const DESCRIBE: u8 = b'D';
    pub(in super::super) const EXECUTE: u8 = b'E';
    pub(in super::super) const FLUSH: u8 = b'H';
    pub(in super::super) const FUNCTION_CALL: u8 = b'F';
    pub(in super::super) const PARSE: u8 = b'P';
    /// All answers to a request for authentication.
    pub(in super::super) const PASSWORD: u8 = b'p';
    pub(in super::super) const QUERY: u8 = b'Q';
    pub(in super::super) const SYNC: u8 = b'S';
    pub(in super::super) const TERMINATE: u8 = b'X';
}

/// Kinds of message that an origin sends.
pub(super) mod from_origin {
    pub(in super::super) const AUTHENTICATION: u8 = b'R';
    pub(in super::super) const BACKEND_KEY_DATA: u8 = b'K';
    pub(in super::super) const BIND_COMPLETE: u8 = b'2';
    pub(in super::super) const CLOSE_COMPLETE: u8 = b'3';
    pub(in super::super) const COMMAND_COMPLETE: u8 = b'C';
    pub(in super::super) const COPY_DATA: u8 = b'd';
    pub(in super::super) const COPY_DONE: u8 = b'c';
    pub(in super::super) const COPY_IN: u8 = b'G';
    pub(in super::super) const COPY_OUT: u8 = b'H';
    pub(in super::super) const DATA_ROW: u8 = b'D';
    pub(in super::super) const EMPTY_QUERY: u8 = b'I';
    pub(in super::super) const ERROR: u8 = b'E';
    pub(in super::super) const FUNCTION_RESULT: u8 = b'V';
    pub(in super::super) const NEGOTIATE: u8 = b'v';
    pub(in super::super) const NO_DATA: u8 = b'n';
    pub(in super::super) const NOTICE: u8 = b'N';
    pub(in super::super) const NOTIFICATION: u8 = b'A';
    pub(in super::super) const PARAMETER_DESCRIPTION: u8 = b't';
    pub(in super::super) const PARAMETER_STATUS: u8 = b'S';
    pub(in super::super) const PARSE_COMPLETE: u8 = b'1';
    pub(in super::super) const PORTAL_SUSPENDED: u8 = b's';
    pub(in super::super) const READY: u8 = b'Z';
    pub(in super::super) const ROW_DESCRIPTION: u8 = b'T';
}

pub(super) const PARSE_COMPLETE: &[u8] = b"1\0\0\0\x04";
pub(super) const CLOSE_COMPLETE: &[u8] = b"3\0\0\0\x04";
pub(super) const TERMINATE: &[u8] = b"X\0\0\0\x04";

/// The kind of the message at the start of `bytes` and the length of all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    /// Header and body.
    pub(super) length: usize,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLength;

impl Header {
    /// `None` until the whole header is there.
    #[inline]
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, BadLength> {
        let Some((&[kind, a, b, c, d], _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if (4..=LONGEST).contains(&length) {
            Ok(Some(Self { kind, length: length + 1 }))
        } else {
            Err(BadLength)
        }
    }
}

/// Appends a message whose body `body` writes.
pub(super) fn push(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, 0, 0, 0, 0]);
    body(out);
    let length = u32::try_from(out.len() - start - 1).expect("our own messages are short");
    out[start + 1..start + HEADER].copy_from_slice(&length.to_be_bytes());
}

/// Appends text and its final zero. Zeroes inside would end it early.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().filter(|&&byte| byte != 0));
    out.push(0);
}

pub(super) fn push_query(out: &mut Vec<u8>, sql: &[u8]) {
    push(out, from_client::QUERY, |out| push_text(out, sql));
}

/// `status` is `I`, `T` or `E`.
pub(super) fn push_ready(out: &mut Vec<u8>, status: u8) {
    out.extend_from_slice(&[from_origin::READY, 0, 0, 0, 5, status]);
}

pub(super) fn push_parameter(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    push(out, from_origin::PARAMETER_STATUS, |out| {
        push_text(out, name);
        push_text(out, value);
    });
}

/// Text up to its final zero, and what follows.
pub(super) fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_when_it_is_whole_and_refused_when_it_is_mad() {
        assert_eq!(Header::read(b"Q\0\0\0"), Ok(None));
        assert_eq!(Header::read(b"Q\0\0\0\x05"), Ok(Some(Header { kind: b'Q', length: 6 })));
        assert_eq!(Header::read(b"Q\0\0\0\x03"), Err(BadLength));
        assert_eq!(Header::read(b"Q\x7f\xff\xff\xff rest"), Err(BadLength));
        assert_eq!(Header::read(b"Q\xff\xff\xff\xff"), Err(BadLength));
    }

    #[test]
    fn what_is_pushed_is_read_back() {
        let mut out = Vec::new();
        push_query(&mut out, b"select 1");
        assert_eq!(out, b"Q\0\0\0\x0dselect 1\0");
        assert_eq!(Header::read(&out), Ok(Some(Header { kind: b'Q', length: out.len() })));
        assert_eq!(text(&out[HEADER..]), Some((&b"select 1"[..], &b""[..])));
        assert_eq!(text(b"no end"), None);
    }
}
