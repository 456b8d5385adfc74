//! PostgreSQL's lexical rules (chapter 4.1 of its manual), as they are since version 9.0.

use super::scan::{Scanner, is_name, names_the_clock, starts_name};
use super::{Kind, Reason, Token};

pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Reason> {
    let mut scan = Scanner::new(sql);
    while !scan.done() {
        if skip_blank(&mut scan)? {
            continue;
        }
        match scan.peek(0) {
            b'\'' => plain_string(&mut scan)?,
            b'"' => scan.push_quoted_name(b'"')?,
            b'$' => dollar(&mut scan)?,
            b'0'..=b'9' => scan.push_number()?,
            b'.' if scan.peek(1).is_ascii_digit() => scan.push_number()?,
            b':' if scan.peek(1) == b':' => scan.push(Kind::Mark, 2, None)?,
            // `:=` gives a parameter of a function by name; a colon alone is an array's slice.
            b':' if scan.peek(1) == b'=' => return Err(Reason::Unsure("a named parameter")),
            b'(' | b')' | b'[' | b']' | b',' | b';' | b'.' | b':' => scan.push(Kind::Mark, 1, None)?,
            byte if is_operator(byte) => operator(&mut scan)?,
            byte if starts_name(byte) => word(&mut scan)?,
            _ => return Err(Reason::Unsure("a character outside of SQL")),
        }
    }
    Ok(scan.finish())
}

/// White space and comments. True when something was skipped.
fn skip_blank(scan: &mut Scanner<'_>) -> Result<bool, Reason> {
    let blank = scan.run(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0c));
    if blank > 0 {
        scan.at += blank;
        scan.spaced = true;
        return Ok(true);
    }
    match (scan.peek(0), scan.peek(1)) {
        (b'-', b'-') => {
            scan.at += scan.run(|b| !matches!(b, b'\n' | b'\r'));
        }
        (b'/', b'*') => {
            // pg_hint_plan's hints may set parameters.
            if scan.peek(2) == b'+' {
                return Err(Reason::Hint);
            }
            let bytes = scan.rest().as_bytes();
            let (mut at, mut depth) = (2, 1_usize);
            while depth > 0 {
                match bytes.get(at..at + 2) {
                    Some(b"/*") => (at, depth) = (at + 2, depth + 1),
                    Some(b"*/") => (at, depth) = (at + 2, depth - 1),
                    Some(_) => at += 1,
                    None => return Err(Reason::Unsure("a comment without its end")),
                }
            }
            scan.at += at;
        }
        _ => return Ok(false),
    }
    scan.spaced = true;
    Ok(true)
}

fn plain_string(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    let length = scan.quoted_length(b'\'')?;
    let inner = &scan.rest().as_bytes()[1..length - 1];
    // Without standard_conforming_strings a backslash is an escape, and the string ends elsewhere.
    if inner.contains(&b'\\') {
        return Err(Reason::Unsure("a backslash in a plain string"));
    }
    if names_the_clock(inner) {
        return Err(Reason::Clock);
    }
    scan.push(Kind::String, length, None)
}

/// `E'…'`, where a backslash escapes whatever the settings are.
fn escape_string(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    let bytes = scan.rest().as_bytes();
    let mut value = Vec::new();
    let mut at = 2;
    loop {
        match bytes.get(at) {
            None => return Err(Reason::Unsure("a quote without its end")),
            Some(b'\'') if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            Some(b'\'') => break,
            Some(b'\\') => {
                match bytes.get(at + 1) {
                    // Letters could be written in these.
                    None | Some(b'0'..=b'9' | b'x' | b'X' | b'u' | b'U') => {
                        return Err(Reason::Unsure("a character written as a number"));
                    }
                    Some(b'b' | b'f' | b'n' | b'r' | b't') => value.push(b' '),
                    Some(&other) => value.push(other),
                }
                at += 2;
            }
            Some(&other) => {
                value.push(other);
                at += 1;
            }
        }
    }
    if names_the_clock(&value) {
        return Err(Reason::Clock);
    }
    scan.push(Kind::String, at + 1, None)
}

/// `$1` or `$tag$ … $tag$`.
fn dollar(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    let rest = scan.rest();
    let digits = rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        if rest.as_bytes().get(1 + digits).is_some_and(|&b| is_name(b)) {
            return Err(Reason::Unsure("a parameter"));
        }
        return scan.push(Kind::Parameter, 1 + digits, None);
    }
    let tag = rest.bytes().skip(1).take_while(|&b| is_name(b) && b != b'$').count();
    let open = 1 + tag + 1;
    if rest.as_bytes().get(1 + tag) != Some(&b'$') {
        return Err(Reason::Unsure("a dollar sign"));
    }
    let delimiter = &rest[..open];
    let Some(length) = rest[open..].find(delimiter) else {
        return Err(Reason::Unsure("a quote without its end"));
    };
    if names_the_clock(&rest.as_bytes()[open..open + length]) {
        return Err(Reason::Clock);
    }
    scan.push(Kind::String, open + length + open, None)
}

fn word(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    match (scan.peek(0) | 0x20, scan.peek(1), scan.peek(2)) {
        (b'e', b'\'', _) => return escape_string(scan),
        // Bits and hexadecimal digits: the value is bits.
        (b'b' | b'x', b'\'', _) => {
            let length = 1 + scan.run_from(1, b'\'')?;
            return scan.push(Kind::String, length, None);
        }
        (b'n', b'\'', _) => return Err(Reason::Unsure("a national string")),
        (b'u', b'&', b'\'' | b'"') => return Err(Reason::Unsure("a character written as a number")),
        _ => {}
    }
    let length = scan.run(is_name);
    scan.push_word(length)
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

/// The longest run of operator characters that holds no start of a comment and, unless it has one of the
/// characters that only operators of more than arithmetic have, does not end in a sign.
fn operator(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    let bytes = scan.rest().as_bytes();
    let mut length = bytes.iter().take_while(|&&b| is_operator(b)).count();
    if let Some(comment) = (1..length).find(|&at| matches!(bytes.get(at..at + 2), Some(b"--" | b"/*"))) {
        length = comment;
    }
    let special = bytes[..length].iter().any(|b| b"~!@#^&|`?%".contains(b));
    while length > 1 && !special && matches!(bytes[length - 1], b'+' | b'-') {
        length -= 1;
    }
    scan.push(Kind::Operator, length, None)
}

impl Scanner<'_> {
    /// The length of the quoted text that starts `skip` bytes ahead.
    fn run_from(&mut self, skip: usize, quote: u8) -> Result<usize, Reason> {
        self.at += skip;
        let length = self.quoted_length(quote);
        self.at -= skip;
        length
    }
}
