//! Where statements end, by SQLite's own rules: a semicolon ends one unless it is inside a string, a name, a
//! comment or the body of a trigger.

/// One statement of a text that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Without the space around it and without its semicolon.
    pub sql: &'a str,
    /// Where it starts in the text, in bytes.
    pub start: usize,
    /// The bytes before it that Cloudflare counts in the offset of an error: the space and comments before the
    /// first statement, and before the others all but the space right after the semicolon.
    pub lead: usize,
    /// The line it starts on, from 1.
    pub line: usize,
}

/// The statements of `text`, in order. Pieces that are only space and comments are left out.
pub fn split(text: &str) -> Vec<Piece<'_>> {
    let mut splitter = Splitter { text, pieces: Vec::new(), from: 0, line: 1, counted: 0 };
    let mut state = State::Start;
    // Of the piece being read: its first and its last byte that matters, once there is one.
    let mut span: Option<(usize, usize)> = None;
    let mut at = 0;
    while at < text.len() {
        let (token, end) = token(text.as_bytes(), at);
        if token == Token::Semicolon && state.next(token) == State::Start {
            state = State::Start;
            splitter.end(span.take());
            splitter.from = end + text[end..].len() - text[end..].trim_ascii_start().len();
        } else if token != Token::Space {
            state = state.next(token);
            span = Some((span.map_or(at, |(start, _)| start), end));
        }
        at = end;
    }
    splitter.end(span);
    splitter.pieces
}

struct Splitter<'a> {
    text: &'a str,
    pieces: Vec<Piece<'a>>,
    /// Where the piece being read begins, comments included.
    from: usize,
    /// The line of the byte `counted`.
    line: usize,
    counted: usize,
}

impl Splitter<'_> {
    fn end(&mut self, span: Option<(usize, usize)>) {
        let Some((start, end)) = span else { return };
        self.line += self.text[self.counted..start].matches('\n').count();
        self.counted = start;
        let lead = start - self.from;
        self.pieces.push(Piece { sql: &self.text[start..end], start, lead, line: self.line });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Semicolon,
    /// Space and comments.
    Space,
    Explain,
    Create,
    Temp,
    Trigger,
    End,
    Other,
}

/// How far into `CREATE TRIGGER … END;` a statement is; the same machine as in `sqlite3_complete()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// Inside a statement that is no trigger.
    Normal,
    Explain,
    Create,
    Trigger,
    /// After a semicolon in the body.
    Semicolon,
    /// After `; END` in the body: a semicolon now ends the statement.
    End,
}

impl State {
    fn next(self, token: Token) -> Self {
        match (self, token) {
            (state, Token::Space) => state,
            (Self::Trigger | Self::Semicolon, Token::Semicolon) => Self::Semicolon,
            (_, Token::Semicolon) => Self::Start,
            // `EXPLAIN QUERY PLAN CREATE …`: two other words may come between.
            (Self::Start, Token::Explain) | (Self::Explain, Token::Other) => Self::Explain,
            (Self::Start | Self::Explain, Token::Create) | (Self::Create, Token::Temp) => Self::Create,
            (Self::Semicolon, Token::End) => Self::End,
            (Self::Create, Token::Trigger) | (Self::Trigger | Self::Semicolon | Self::End, _) => {
                Self::Trigger
            }
            (Self::Start | Self::Normal | Self::Explain | Self::Create, _) => Self::Normal,
        }
    }
}

/// The token at `at` and where it ends.
fn token(text: &[u8], at: usize) -> (Token, usize) {
    let rest = &text[at..];
    let after = |end: Option<usize>| end.map_or(text.len(), |end| at + end);
    match rest[0] {
        b';' => (Token::Semicolon, at + 1),
        b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => (Token::Space, at + 1),
        b'-' if rest.get(1) == Some(&b'-') => {
            (Token::Space, after(rest.iter().position(|&b| b == b'\n').map(|n| n + 1)))
        }
        b'/' if rest.get(1) == Some(&b'*') => {
            let end = rest[2..].windows(2).position(|pair| pair == b"*/");
            (Token::Space, after(end.map(|n| n + 4)))
        }
        // A doubled quote inside reads as two tokens side by side, which comes to the same.
        quote @ (b'\'' | b'"' | b'`') => {
            (Token::Other, after(rest[1..].iter().position(|&b| b == quote).map(|n| n + 2)))
        }
        b'[' => (Token::Other, after(rest.iter().position(|&b| b == b']').map(|n| n + 1))),
        first if is_word(first) => {
            let length = rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
            (word(&rest[..length]), at + length)
        }
        _ => (Token::Other, at + 1),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn word(word: &[u8]) -> Token {
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
    match word.len() {
        3 if is("end") => Token::End,
        4 if is("temp") => Token::Temp,
        6 if is("create") => Token::Create,
        7 if is("trigger") => Token::Trigger,
        7 if is("explain") => Token::Explain,
        9 if is("temporary") => Token::Temp,
        _ => Token::Other,
    }
}

/// A part of a statement, for whom only its values matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lexeme {
    /// Space and comments.
    Space,
    /// A literal or a parameter.
    Value,
    Other,
}

/// The parts of `sql`, in order and without gaps.
pub(crate) fn tokens(sql: &str) -> impl Iterator<Item = (Lexeme, &str)> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let first = *bytes.get(at)?;
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        let (kind, mut end) = token(bytes, at);
        let word_from = |from: usize| from + bytes[from..].iter().take_while(|b| is_word(**b)).count();
        let lexeme = match first {
            b'\'' | b'$' => Lexeme::Value,
            b'?' | b':' | b'@' => {
                end = word_from(at + 1);
                if first == b'?' || end > at + 1 { Lexeme::Value } else { Lexeme::Other }
            }
            b'x' | b'X' if next == b'\'' && end == at + 1 => {
                end = token(bytes, at + 1).1;
                Lexeme::Value
            }
            b'0'..=b'9' | b'.' if first != b'.' || next.is_ascii_digit() => {
                end = number_end(bytes, at);
                Lexeme::Value
            }
            _ if kind == Token::Space => Lexeme::Space,
            _ => Lexeme::Other,
        };
        // A byte of its own may be the first of a longer character; words hold those whole.
        let text = &sql[at..end];
        at = end;
        Some((lexeme, text))
    })
}

/// Where the number at `at` ends: digits, a point, an exponent with its sign.
fn number_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(&byte) = bytes.get(end) {
        let is_sign = matches!(byte, b'+' | b'-')
            && matches!(bytes[end - 1], b'e' | b'E')
            && !bytes[at..].starts_with(b"0x");
        if !(is_word(byte) || byte == b'.' || (end > at && is_sign)) {
            break;
        }
        end += 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<&str> {
        split(text).into_iter().map(|piece| piece.sql).collect()
    }

    #[test]
    fn semicolons_end_statements_only_where_sqlite_thinks_so() {
        assert_eq!(pieces("SELECT 1; SELECT 2 ;"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(
            pieces("SELECT ';', \";\", `;`, [;] -- ;\n, 1 /* ; */"),
            ["SELECT ';', \";\", `;`, [;] -- ;\n, 1"]
        );
        assert_eq!(pieces("SELECT 'it''s;'; SELECT 2"), ["SELECT 'it''s;'", "SELECT 2"]);
        assert_eq!(pieces("SELECT 'open; SELECT 2"), ["SELECT 'open; SELECT 2"]);
    }

    #[test]
    fn what_is_only_space_and_comments_is_no_statement() {
        for text in ["", " \n", ";", ";;", "-- a; b", "/* a; */;", "/* open", "--"] {
            assert_eq!(pieces(text), [""; 0], "{text}");
        }
        assert_eq!(pieces("-- c\nSELECT 1 -- d"), ["SELECT 1"]);
    }

    #[test]
    fn a_trigger_keeps_its_inner_semicolons() {
        let trigger = "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN
            UPDATE t SET a = CASE WHEN a THEN 1 ELSE 2 END; DELETE FROM u; END";
        assert_eq!(pieces(&format!("{trigger}; SELECT 1;")), [trigger, "SELECT 1"]);
        let explained = "EXPLAIN QUERY PLAN CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END";
        assert_eq!(pieces(&format!("{explained}; SELECT 1;")), [explained, "SELECT 1"]);
        assert_eq!(
            pieces("CREATE TABLE trigger_x (a); SELECT 1"),
            ["CREATE TABLE trigger_x (a)", "SELECT 1"]
        );
    }

    #[test]
    fn a_piece_knows_what_comes_before_it() {
        let leads: Vec<usize> = split(" a;  b; /**/ c;; d").iter().map(|piece| piece.lead).collect();
        assert_eq!(leads, [1, 0, 5, 0]);
    }

    #[test]
    fn a_piece_knows_its_line() {
        let lines: Vec<usize> =
            split("\n-- one\nSELECT 1;\n\nSELECT\n2; SELECT 3").iter().map(|p| p.line).collect();
        assert_eq!(lines, [3, 5, 6]);
    }

    proptest::proptest! {
        #[test]
        fn the_parts_of_any_text_are_the_whole_text(text in "[ -~é😀\n']{0,40}") {
            let parts: String = tokens(&text).map(|(_, part)| part).collect();
            proptest::prop_assert_eq!(parts, text);
        }
    }
}
