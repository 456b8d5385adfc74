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
    }
}
