//! The lexical rules of MySQL and MariaDB, in what they share under every sql_mode.

use super::scan::{Scanner, is_name, starts_name};
use super::{Kind, Reason, Token};

const OPERATORS: [&str; 23] = [
    "<=>", "->>", "<=", ">=", "<>", "!=", "<<", ">>", "&&", "||", "->", "+", "-", "*", "/", "%", "=", "<",
    ">", "!", "^", "|", "&",
];

pub(super) fn tokens(sql: &str) -> Result<Vec<Token<'_>>, Reason> {
    let mut scan = Scanner::new(sql);
    while !scan.done() {
        if skip_blank(&mut scan)? {
            continue;
        }
        match scan.peek(0) {
            // A string, or with ANSI_QUOTES a name: the same stretch of text either way.
            quote @ (b'\'' | b'"') => string(&mut scan, quote)?,
            b'`' => scan.push_quoted_name(b'`')?,
            b'?' => scan.push(Kind::Parameter, 1, None)?,
            b'@' => return Err(Reason::System("a variable".into())),
            b'0'..=b'9' => number(&mut scan)?,
            b'.' if scan.peek(1).is_ascii_digit() => scan.push_number()?,
            b'(' | b')' | b',' | b';' | b'.' => scan.push(Kind::Mark, 1, None)?,
            b'~' => scan.push(Kind::Operator, 1, None)?,
            byte if starts_name(byte) || byte == b'$' => word(&mut scan)?,
            _ => {
                let Some(operator) = OPERATORS.iter().find(|text| scan.rest().starts_with(**text)) else {
                    return Err(Reason::Unsure("a character outside of SQL"));
                };
                scan.push(Kind::Operator, operator.len(), None)?;
            }
        }
    }
    Ok(scan.finish())
}

fn skip_blank(scan: &mut Scanner<'_>) -> Result<bool, Reason> {
    let blank = scan.run(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
    if blank > 0 {
        scan.at += blank;
        scan.spaced = true;
        return Ok(true);
    }
    match (scan.peek(0), scan.peek(1)) {
        (b'#', _) => scan.at += scan.run(|b| b != b'\n'),
        // Two dashes are a comment only before white space, a control character or the end; otherwise they are two signs.
        (b'-', b'-') if scan.peek(2) <= b' ' || scan.peek(2) == 0x7f => {
            scan.at += scan.run(|b| b != b'\n');
        }
        (b'/', b'*') => {
            // Versioned comments are code to some servers, hints may set variables.
            if matches!((scan.peek(2), scan.peek(3)), (b'!' | b'+', _) | (b'M', b'!')) {
                return Err(Reason::Hint);
            }
            let Some(end) = scan.rest()[2..].find("*/") else {
                return Err(Reason::Unsure("a comment without its end"));
            };
            // Old servers nest comments, new ones do not.
            if scan.rest()[2..2 + end].contains("/*") {
                return Err(Reason::Unsure("a comment in a comment"));
            }
            scan.at += 2 + end + 2;
        }
        _ => return Ok(false),
    }
    scan.spaced = true;
    Ok(true)
}

fn string(scan: &mut Scanner<'_>, quote: u8) -> Result<(), Reason> {
    let length = scan.quoted_length(quote)?;
    // Without NO_BACKSLASH_ESCAPES a backslash is an escape, and the string ends elsewhere.
    if scan.rest().as_bytes()[..length].contains(&b'\\') {
        return Err(Reason::Unsure("a backslash in a string"));
    }
    scan.push(Kind::String, length, None)
}

fn number(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    if scan.peek(0) == b'0' && scan.peek(1) == b'x' {
        let length = 2 + scan.rest().bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
        if length == 2 || scan.rest().as_bytes().get(length).is_some_and(|&b| is_name(b)) {
            return Err(Reason::Unsure("a number"));
        }
        return scan.push(Kind::Number, length, None);
    }
    scan.push_number()
}

fn word(scan: &mut Scanner<'_>) -> Result<(), Reason> {
    match (scan.peek(0) | 0x20, scan.peek(1)) {
        (b'b' | b'x', b'\'') => {
            let digits = scan.rest().bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
            if scan.peek(2 + digits) != b'\'' {
                return Err(Reason::Unsure("a number"));
            }
            return scan.push(Kind::String, 2 + digits + 1, None);
        }
        (b'n', b'\'') => return Err(Reason::Unsure("a national string")),
        _ => {}
    }
    let length = scan.run(is_name);
    scan.push_word(length)
}
