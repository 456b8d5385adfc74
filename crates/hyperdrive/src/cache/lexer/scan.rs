//! What both lexers need: a place in the text and the ways to move it.

use std::borrow::Cow;

use super::{Kind, Reason, Token};

/// A statement with more tokens than this is not worth reading.
const MOST_TOKENS: usize = 20_000;

pub(super) struct Scanner<'a> {
    pub(super) sql: &'a str,
    pub(super) at: usize,
    pub(super) spaced: bool,
    tokens: Vec<Token<'a>>,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Self { sql, at: 0, spaced: false, tokens: Vec::with_capacity(sql.len() / 5 + 4) }
    }

    /// The byte `ahead` of the current place; 0 after the end. A NUL in the text is refused before this is asked.
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.sql.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    pub(super) fn done(&self) -> bool {
        self.at >= self.sql.len()
    }

    /// The length of the run of bytes that `keep` accepts, from the current place.
    pub(super) fn run(&self, keep: impl Fn(u8) -> bool) -> usize {
        self.rest().bytes().take_while(|&byte| keep(byte)).count()
    }

    /// Makes the next `length` bytes a token. They must end at a character's end.
    pub(super) fn push(
        &mut self,
        kind: Kind,
        length: usize,
        name: Option<Cow<'a, str>>,
    ) -> Result<(), Reason> {
        if self.tokens.len() >= MOST_TOKENS {
            return Err(Reason::TooLarge);
        }
        let raw = &self.sql[self.at..self.at + length];
        let name = name.unwrap_or(Cow::Borrowed(raw));
        self.tokens.push(Token { kind, raw, name, spaced: self.spaced, start: self.at });
        self.at += length;
        self.spaced = false;
        Ok(())
    }

    pub(super) fn push_word(&mut self, length: usize) -> Result<(), Reason> {
        let raw = &self.sql[self.at..self.at + length];
        let name = if raw.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(raw.to_ascii_lowercase())
        } else {
            Cow::Borrowed(raw)
        };
        self.push(Kind::Word, length, Some(name))
    }

    /// A name between two `quote`s, with a doubled one inside.
    pub(super) fn push_quoted_name(&mut self, quote: u8) -> Result<(), Reason> {
        let length = self.quoted_length(quote)?;
        let inner = &self.sql[self.at + 1..self.at + length - 1];
        if inner.is_empty() {
            return Err(Reason::Unsure("an empty name"));
        }
        let (one, two) = (char::from(quote).to_string(), [char::from(quote); 2].iter().collect::<String>());
        let name =
            if inner.contains(&two) { Cow::Owned(inner.replace(&two, &one)) } else { Cow::Borrowed(inner) };
        self.push(Kind::Quoted, length, Some(name))
    }

    /// How long the quoted text at the current place is, with both quotes. A backslash is not an escape.
    pub(super) fn quoted_length(&self, quote: u8) -> Result<usize, Reason> {
        let bytes = self.rest().as_bytes();
        let mut at = 1;
        loop {
            match bytes.get(at) {
                None => return Err(Reason::Unsure("a quote without its end")),
                Some(&byte) if byte == quote => {
                    if bytes.get(at + 1) != Some(&quote) {
                        return Ok(at + 1);
                    }
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
    }

    /// A number in the forms that every version reads alike.
    pub(super) fn push_number(&mut self) -> Result<(), Reason> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') {
            // `1..10` is two tokens in PL/pgSQL and an error elsewhere.
            if bytes.get(length + 1) == Some(&b'.') {
                return Err(Reason::Unsure("a number"));
            }
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(length + 1 + sign);
            if exponent == 0 {
                return Err(Reason::Unsure("a number"));
            }
            length += 1 + sign + exponent;
        }
        // What follows directly belongs to a number only in some versions (0x1F, 1_000) or is a second token.
        if bytes.get(length).is_some_and(|&b| is_name(b)) {
            return Err(Reason::Unsure("a number"));
        }
        self.push(Kind::Number, length, None)
    }

    pub(super) fn finish(self) -> Vec<Token<'a>> {
        self.tokens
    }
}

pub(super) fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

pub(super) fn is_name(byte: u8) -> bool {
    starts_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// Do the bytes have a word that PostgreSQL's date and time types read as "the current time"?
///
/// Any run of ASCII letters that is such a word counts, because those types cut their input into runs of letters,
/// digits and punctuation: `now`, `' Today 10:00'` and `yesterday-allballs` all read the clock. Arrays, ranges and
/// rows let quotes and backslashes stand inside of a word (`{n\ow}`), so the text is also read without them.
pub(in super::super) fn names_the_clock(text: &[u8]) -> bool {
    if a_word_is_the_clock(text) {
        return true;
    }
    let is_filler = |byte: &u8| matches!(byte, b'\\' | b'"');
    text.iter().any(is_filler)
        && a_word_is_the_clock(&text.iter().copied().filter(|byte| !is_filler(byte)).collect::<Vec<_>>())
}

fn a_word_is_the_clock(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    text.split(|b| !b.is_ascii_alphabetic())
        .any(|run| (3..=9).contains(&run.len()) && WORDS.iter().any(|word| run.eq_ignore_ascii_case(word)))
}
