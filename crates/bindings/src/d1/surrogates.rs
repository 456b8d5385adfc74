//! Halves of characters in JSON. A JavaScript string may hold one, as when an emoji was cut in two, and
//! `JSON.stringify()` writes it as an escape that is no character and that a parser of UTF-8 refuses.

/// What D1 reads back for one: it stores the half as three bytes, none of which is UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}\u{fffd}\u{fffd}".as_bytes();

/// `json` with every lone surrogate replaced, or `None` when it has none.
pub(super) fn replace_lone(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    let (mut at, mut found) = (0, false);
    while at < json.len() {
        let rest = &json[at..];
        let length = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                found = true;
                at += 6;
                out.extend_from_slice(REPLACEMENT);
                continue;
            }
            // An escaped backslash must not begin the next escape.
            _ if rest[0] == b'\\' => 2.min(rest.len()),
            _ => 1,
        };
        out.extend_from_slice(&rest[..length]);
        at += length;
    }
    found.then_some(out)
}

/// The UTF-16 unit that an escape at the start of `json` stands for.
fn unit(json: &[u8]) -> Option<u16> {
    let digits = json.get(..6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(json: &str) -> Option<String> {
        replace_lone(json.as_bytes()).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn a_half_character_is_replaced_wherever_it_stands() {
        for (json, expected) in [
            (r#""\ud83d""#, "\"\u{fffd}\u{fffd}\u{fffd}\""),
            (r#""a\uDE00b""#, "\"a\u{fffd}\u{fffd}\u{fffd}b\""),
            (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}\u{fffd}\u{fffd}\\ud83d\\ude00\""),
            (r#""\\\ud83d\n""#, "\"\\\\\u{fffd}\u{fffd}\u{fffd}\\n\""),
        ] {
            assert_eq!(replaced(json).as_deref(), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_whole_stays() {
        for json in
            [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\u00e9""#, "\"\u{1f600}\"", r#""\ud83"#, "\\", ""]
        {
            assert_eq!(replaced(json), None, "{json}");
        }
    }
}
