//! Names that are safe to put on disk, and random ones.

use std::fmt::Write as _;

use crate::Clock;

/// `bytes` random bytes as lower-case hex.
pub fn random_hex(clock: &dyn Clock, bytes: usize) -> String {
    let mut raw = vec![0; bytes];
    clock.random(&mut raw);
    hex::encode(raw)
}

/// `id` as one path component: ASCII letters, digits, `-`, `_` and inner dots stay, every other byte becomes
/// `%XX`. Different ids give different components, and none of them is empty, `.`, `..` or hidden.
pub fn path_component(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for (at, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && at > 0);
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.is_empty() { "%".to_owned() } else { out }
}

/// The id that [`path_component`] made `component` of; `None` when it never makes such a one.
pub fn from_path_component(component: &str) -> Option<String> {
    let mut id = Vec::with_capacity(component.len());
    let mut bytes = component.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' && component.len() > 1 {
            let digits = [bytes.next()?, bytes.next()?];
            id.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else if byte != b'%' {
            id.push(byte);
        }
    }
    let id = String::from_utf8(id).ok()?;
    (path_component(&id) == component).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_directory() {
        assert_eq!(path_component("my-bucket_1.v2"), "my-bucket_1.v2");
        assert_eq!(path_component("../etc"), "%2E.%2Fetc");
        assert_eq!(path_component("."), "%2E");
        assert_eq!(path_component(""), "%");
        assert_eq!(path_component("a%2Fb"), "a%252Fb");
        for id in ["my-bucket_1.v2", "../etc", ".", "", "a%2Fb", "é/\u{1F600}"] {
            assert_eq!(from_path_component(&path_component(id)).as_deref(), Some(id));
        }
        for other in [".hidden", "a%2", "a%zz", "a%61", "a b", "%FF"] {
            assert_eq!(from_path_component(other), None, "{other}");
        }
    }
}
