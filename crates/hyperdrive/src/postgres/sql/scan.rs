//! PostgreSQL's lexical rules, as far as it takes to tell words from what is quoted or commented out.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name or a keyword, unquoted, as it is written.
    Word(&'a [u8]),
    /// What stands between double quotes, as it is written.
    Quoted(&'a [u8]),
    /// One character that is none of the rest.
    Mark(u8),
    /// A string, a number or a parameter.
    Value,
}

pub(super) struct Scanner<'a> {
    sql: &'a [u8],
    at: usize,
    /// A backslash in any string escapes what follows (`standard_conforming_strings = off`).
    backslashes: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(sql: &'a [u8], backslashes: bool) -> Self {
        Self { sql, at: 0, backslashes }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.sql.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.at < self.sql.len() && keep(self.sql[self.at]) {
            self.at += 1;
        }
    }

    /// To behind the closing `mark`; two of them are one inside.
    fn quoted(&mut self, mark: u8, backslashes: bool) {
        while let Some(&byte) = self.sql.get(self.at) {
            self.at += 1;
            if byte == b'\\' && backslashes {
                self.at += 1;
            } else if byte == mark {
                if self.peek(0) != mark {
                    return;
                }
                self.at += 1;
            }
        }
        self.at = self.sql.len();
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.sql.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => depth += 1,
                (b'*', b'/') => depth -= 1,
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    /// Behind a dollar-quoted string, if there is one here.
    fn dollar_quoted(&mut self) -> bool {
        let rest = &self.sql[self.at..];
        let tag = rest[1..].iter().position(|&byte| !is_inside_name(byte) || byte == b'$');
        let Some(tag) = tag.filter(|&end| rest[1 + end] == b'$' && !rest[1].is_ascii_digit()) else {
            return false;
        };
        let mark = &rest[..tag + 2];
        let body = &rest[mark.len()..];
        let end = body.windows(mark.len()).position(|w| w == mark);
        self.at = end.map_or(self.sql.len(), |end| self.at + 2 * mark.len() + end);
        true
    }
}

fn is_start_of_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_inside_name(byte: u8) -> bool {
    is_start_of_name(byte) || byte.is_ascii_digit() || byte == b'$'
}

impl<'a> Iterator for Scanner<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            let byte = *self.sql.get(start)?;
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.peek(1) == b'-' => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                b'/' if self.peek(1) == b'*' => self.block_comment(),
                b'\'' => {
                    self.at += 1;
                    self.quoted(b'\'', self.backslashes);
                    return Some(Token::Value);
                }
                b'"' => {
                    self.at += 1;
                    self.quoted(b'"', false);
                    let end = self.at.saturating_sub(1).max(start + 1);
                    return Some(Token::Quoted(&self.sql[start + 1..end]));
                }
                b'$' if self.dollar_quoted() => return Some(Token::Value),
                b'$' | b'0'..=b'9' => {
                    self.at += 1;
                    self.skip_while(|byte| is_inside_name(byte) || byte == b'.');
                    return Some(Token::Value);
                }
                _ if is_start_of_name(byte) => {
                    self.skip_while(is_inside_name);
                    let word = &self.sql[start..self.at];
                    if self.peek(0) == b'\'' && word.len() == 1 {
                        let escapes = matches!(byte, b'e' | b'E');
                        if escapes || matches!(byte, b'b' | b'B' | b'x' | b'X' | b'n' | b'N') {
                            self.at += 1;
                            self.quoted(b'\'', escapes || self.backslashes);
                            return Some(Token::Value);
                        }
                    }
                    return Some(Token::Word(word));
                }
                _ => {
                    self.at += 1;
                    return Some(Token::Mark(byte));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<String> {
        Scanner::new(sql.as_bytes(), false)
            .filter_map(|token| match token {
                Token::Word(word) => Some(String::from_utf8(word.to_vec()).unwrap()),
                Token::Quoted(word) => Some(format!("{:?}", String::from_utf8(word.to_vec()).unwrap())),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn words_are_what_is_neither_quoted_nor_commented_out() {
        assert_eq!(
            words("select a1 from b -- listen\n where c"),
            ["select", "a1", "from", "b", "where", "c"]
        );
        assert_eq!(words("a /* b /* c */ d */ e"), ["a", "e"]);
        assert_eq!(words("a 'b' 'c''d' E'e\\'f' g"), ["a", "g"]);
        assert_eq!(words(r"a 'b\' c"), ["a", "c"]);
        assert_eq!(words("a $$ b $$ c $x$ d $$ e $x$ f $1 g$h$i"), ["a", "c", "f", "g$h$i"]);
        assert_eq!(words("a \"B\"\"c\" 1.5e10 x'ff' é"), ["a", "\"B\\\"\\\"c\"", "é"]);
    }

    #[test]
    fn with_backslashes_they_escape_everywhere() {
        let words: Vec<_> = Scanner::new(br"a 'b\' c' d", true).collect();
        assert_eq!(words, [Token::Word(b"a"), Token::Value, Token::Word(b"d")]);
    }

    #[test]
    fn what_does_not_end_is_scanned_to_the_end() {
        for sql in ["'", "\"", "$$", "$a$ b", "/*", "/* /* */", "--", "E'\\", "\"a", "$", "e'"] {
            assert!(Scanner::new(sql.as_bytes(), false).count() <= 2, "{sql}");
        }
    }
}
