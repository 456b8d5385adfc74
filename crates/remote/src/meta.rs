//! What an object carries beside its bytes, as S3's headers have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const CUSTOM: &str = "x-amz-meta-";
const CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");

/// The headers that are kept with an object, and its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Those of [`Meta::KEPT`] that it has, in that order.
    pub headers: Vec<(HeaderName, String)>,
    /// As S3 names it; `None` is `STANDARD`.
    pub class: Option<String>,
    /// Names in lower case, without `x-amz-meta-`.
    pub custom: Vec<(String, String)>,
}

impl Meta {
    /// What an object may have for whoever reads it.
    pub const KEPT: [HeaderName; 6] = [
        header::CONTENT_TYPE,
        header::CONTENT_LANGUAGE,
        header::CONTENT_DISPOSITION,
        header::CONTENT_ENCODING,
        header::CACHE_CONTROL,
        header::EXPIRES,
    ];

    /// The kept ones of an answer's headers, read by `text`.
    pub fn kept(headers: &HeaderMap, text: impl Fn(&HeaderValue) -> String) -> Vec<(HeaderName, String)> {
        let value = |name: HeaderName| headers.get(&name).map(&text).map(|value| (name, value));
        Self::KEPT.into_iter().filter_map(value).collect()
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let custom = headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().strip_prefix(CUSTOM)?.to_owned(), decoded(value)))
        });
        Self {
            headers: Self::kept(headers, decoded),
            class: headers.get(CLASS).map(decoded),
            custom: custom.collect(),
        }
    }

    /// Sets the headers of a request that writes the object. Answers the names of metadata that no header can have.
    pub(crate) fn set(&self, headers: &mut HeaderMap) -> Vec<String> {
        let class = self.class.iter().map(|class| (CLASS, class));
        for (name, value) in self.headers.iter().map(|(name, value)| (name.clone(), value)).chain(class) {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        let mut left_out = Vec::new();
        for (name, value) in &self.custom {
            let pair =
                (HeaderName::try_from(format!("{CUSTOM}{name}")), HeaderValue::from_str(&encoded(value)));
            if let (Ok(header), Ok(value)) = pair {
                headers.insert(header, value);
            } else {
                left_out.push(name.clone());
            }
        }
        left_out
    }
}

/// RFC 2047 where the text is not ASCII, as AWS and R2 have it.
fn encoded(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b)) && !text.contains("=?");
    if plain { text.to_owned() } else { format!("=?UTF-8?B?{}?=", STANDARD.encode(text)) }
}

/// Undoes RFC 2047. What is not written in it is taken as UTF-8.
fn decoded(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let mut out = String::new();
    for word in text.split_whitespace() {
        match word_of(word) {
            Some(word) => out.push_str(&word),
            None => return text.into_owned(),
        }
    }
    if out.is_empty() { text.into_owned() } else { out }
}

fn word_of(word: &str) -> Option<String> {
    let mut fields = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (charset, encoding, text) = (fields.next()?, fields.next()?, fields.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(text).ok()?,
        "Q" | "q" => quoted(text)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn quoted(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(bytes.next()?)? * 16 + digit(bytes.next()?)?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_is_read_back() {
        let meta = Meta {
            headers: vec![
                (header::CONTENT_TYPE, "text/plain".to_owned()),
                (header::EXPIRES, "Sun, 22 Nov 2026 07:18:00 GMT".to_owned()),
            ],
            class: Some("STANDARD_IA".to_owned()),
            custom: vec![
                ("a".to_owned(), "plain, with = and ?".to_owned()),
                ("b".to_owned(), "größe\nzwei".to_owned()),
                ("c".to_owned(), "=?x".to_owned()),
            ],
        };
        let mut headers = HeaderMap::new();
        assert!(meta.set(&mut headers).is_empty());
        let mut back = Meta::of(&headers);
        back.custom.sort();
        assert_eq!(back, meta);
    }

    #[test]
    fn words_of_other_servers_are_read() {
        let read = |text: &'static str| decoded(&HeaderValue::from_static(text));
        assert_eq!(read("=?UTF-8?Q?gr=C3=B6=C3=9Fe_2?="), "größe 2");
        assert_eq!(read("=?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?="), "äö");
        for as_it_is in ["=?utf-8?b?!?=", "=?latin1?q?a?=", "=?UTF-8?Q?=4?=", "two  words", ""] {
            assert_eq!(read(as_it_is), as_it_is);
        }
    }

    #[test]
    fn names_that_no_header_can_have_are_told() {
        let meta = Meta { custom: vec![("a b".to_owned(), "x".to_owned())], ..Meta::default() };
        assert_eq!(meta.set(&mut HeaderMap::new()), ["a b"]);
    }
}
