//! Words of a statement, without its comments and strings.

/// A part of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Word(&'a [u8]),
    Quoted(&'a [u8]),
    Number(&'a [u8]),
    String,
    /// `@name`
    UserVariable,
    /// `@@name`, `@@session.name`: the last part.
    SystemVariable(&'a [u8]),
    Symbol(u8),
}

#[derive(Clone, Debug)]
pub(super) struct Scan<'a> {
    sql: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.sql.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The first word, behind parentheses.
    pub(super) fn first_word(&mut self) -> Option<String> {
        loop {
            match self.next()? {
                Token::Symbol(b'(') => {}
                Token::Word(word) => return Some(super::lower(word)),
                _ => return None,
            }
        }
    }

    pub(super) fn word(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(word) => Some(super::lower(word)),
            _ => None,
        }
    }

    pub(super) fn at_parenthesis(&self) -> bool {
        let mut ahead = self.clone();
        ahead.next() == Some(Token::Symbol(b'('))
    }

    pub(super) fn skip_blank(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'#', _) => self.skip_line(),
                (b'-', b'-') if self.peek(2) <= b' ' => self.skip_line(),
                (b'/', b'*') => match (self.peek(2), self.peek(3)) {
                    // What is in there is code to some server: it is looked at too.
                    (b'!', _) => {
                        self.at += 3;
                        self.at += self.run(0, |byte| byte.is_ascii_digit());
                    }
                    (b'M', b'!') => self.at += 4,
                    _ => {
                        let rest = self.sql.get(self.at + 2..).unwrap_or_default();
                        let end = rest.windows(2).position(|two| two == b"*/");
                        self.at = end.map_or(self.sql.len(), |end| self.at + 2 + end + 2);
                    }
                },
                (b'*', b'/') => self.at += 2,
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        self.at += self.run(0, |byte| byte != b'\n');
    }

    fn run(&self, from: usize, keep: impl Fn(u8) -> bool) -> usize {
        let rest = self.sql.get(self.at + from..).unwrap_or_default();
        rest.iter().take_while(|&&byte| keep(byte)).count()
    }

    fn name_after(&mut self, skip: usize) -> &'a [u8] {
        self.at += skip;
        if self.peek(0) == b'`' {
            return self.quoted(b'`');
        }
        let length = self.run(0, is_name);
        let name = &self.sql[self.at..self.at + length];
        self.at += length;
        name
    }

    /// The inside of quotes; a backslash escapes in strings.
    fn quoted(&mut self, quote: u8) -> &'a [u8] {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.sql.get(at) {
                None => break,
                Some(b'\\') if quote != b'`' => at += 2,
                Some(&byte) if byte == quote && self.sql.get(at + 1) == Some(&quote) => at += 2,
                Some(&byte) if byte == quote => break,
                Some(_) => at += 1,
            }
        }
        let end = at.min(self.sql.len());
        self.at = (end + 1).min(self.sql.len());
        self.sql.get(start..end).unwrap_or_default()
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blank();
        let first = *self.sql.get(self.at)?;
        Some(match first {
            b'\'' | b'"' => {
                self.quoted(first);
                Token::String
            }
            b'`' => Token::Quoted(self.quoted(b'`')),
            b'@' if self.peek(1) == b'@' => {
                let mut name = self.name_after(2);
                while self.peek(0) == b'.' {
                    name = self.name_after(1);
                }
                Token::SystemVariable(name)
            }
            b'@' => {
                self.at += 1;
                if matches!(self.peek(0), b'\'' | b'"' | b'`') {
                    self.quoted(self.peek(0));
                } else {
                    self.at += self.run(0, |byte| is_name(byte) || byte == b'.');
                }
                Token::UserVariable
            }
            b'0'..=b'9' => {
                let length = self.run(0, |byte| is_name(byte) || byte == b'.');
                self.at += length;
                Token::Number(&self.sql[self.at - length..self.at])
            }
            byte if is_name(byte) => Token::Word(self.name_after(0)),
            other => {
                self.at += 1;
                Token::Symbol(other)
            }
        })
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
