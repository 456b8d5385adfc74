//! The request target: percent-encoding, decoded exactly once.

use std::borrow::Cow;

use super::Problem;

/// The key that a path names. Nothing is normalised: `/..x` and `/a%2F%2Fb` are keys like any other.
pub(super) fn decode_key(path: &str) -> Result<String, Problem> {
    let raw = path.strip_prefix('/').unwrap_or(path);
    let bytes = unescape(raw.as_bytes(), false).ok_or(Problem::NotUtf8("key"))?;
    String::from_utf8(bytes.into_owned()).map_err(|_| Problem::NotUtf8("key"))
}

/// The parameters after the `?`, as a form encodes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    raw: &'a str,
}

impl<'a> Query<'a> {
    pub(super) fn new(raw: &'a str) -> Self {
        Self { raw }
    }

    /// The first parameter called `name`.
    pub(super) fn find(self, name: &'static str) -> Result<Option<String>, Problem> {
        let mut pairs = self.raw.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let Some((_, value)) = pairs.find(|(found, _)| *found == name) else { return Ok(None) };
        let bytes = unescape(value.as_bytes(), true).ok_or(Problem::NotUtf8(name))?;
        String::from_utf8(bytes.into_owned()).map(Some).map_err(|_| Problem::NotUtf8(name))
    }
}

/// `None` when a `%` is not followed by two hex digits.
fn unescape(raw: &[u8], form: bool) -> Option<Cow<'_, [u8]>> {
    if !raw.iter().any(|byte| *byte == b'%' || (form && *byte == b'+')) {
        return Some(Cow::Borrowed(raw));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        out.push(match first {
            b'%' => {
                let (digits, after) = after.split_first_chunk::<2>()?;
                rest = after;
                hex_digit(digits[0])? << 4 | hex_digit(digits[1])?
            }
            b'+' if form => b' ',
            other => *other,
        });
    }
    Some(Cow::Owned(out))
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_decoded_once_and_never_normalised() {
        let key = |path| decode_key(path).unwrap();
        assert_eq!(key("/a%2Fb%25%3F%23%20c"), "a/b%?# c");
        assert_eq!(key("/%252F"), "%2F");
        assert_eq!(key("/..x"), "..x");
        assert_eq!(key("/a+b&c"), "a+b&c");
        assert_eq!(key("/%F0%9F%98%80"), "😀");
        for broken in ["/%", "/%4", "/%zz", "/%ff"] {
            assert!(decode_key(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let query = Query::new("urlencoded=true&expiration_ttl=60&expiration=7&prefix=a+b%2B%C3%A9&cursor=");
        let find = |name| query.find(name).unwrap();
        assert_eq!(find("expiration").as_deref(), Some("7"));
        assert_eq!(find("expiration_ttl").as_deref(), Some("60"));
        assert_eq!(find("prefix").as_deref(), Some("a b+é"));
        assert_eq!(find("cursor").as_deref(), Some(""));
        assert_eq!(find("ttl"), None);
        assert!(Query::new("prefix=%F").find("prefix").is_err());
    }
}
