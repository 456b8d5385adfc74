//! A recogniser for the part of SQL whose answers can be cached.
//!
//! It accepts less than the databases do, and need not know what they refuse: an error is never cached. What
//! must hold is that every accepted text, if the database accepts it too, calls nothing but what was checked here:
//! each name before a parenthesis, each cast, each word that is a function without looking like one.

mod call;
mod expression;
mod from;
mod query;
mod types;

use super::lexer::{Kind, Token};
use super::names;
use super::verdict::{Dialect, Reason};

/// Parentheses, CASEs and subqueries within each other.
const DEEPEST: usize = 50;

type Read<T = ()> = Result<T, Reason>;

/// Reads one statement. Gives the number of tokens it has, without the semicolons after it.
pub(super) fn read(tokens: &[Token<'_>], dialect: Dialect) -> Read<usize> {
    let mut parser = Parser { tokens, at: 0, depth: 0, dialect };
    let Some(first) = tokens.first() else { return Err(Reason::NotARead) };
    if !["select", "with", "values", "table", "("].iter().any(|start| first.is(start)) {
        return Err(Reason::NotARead);
    }
    parser.query()?;
    let end = parser.at;
    let ended = parser.is(";");
    while parser.take(";") {}
    match parser.peek() {
        None => Ok(end),
        Some(_) if ended => Err(Reason::SeveralStatements),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    depth: usize,
    dialect: Dialect,
}

impl<'t, 'a> Parser<'t, 'a> {
    fn peek(&self) -> Option<&'t Token<'a>> {
        self.tokens.get(self.at)
    }

    fn is(&self, text: &str) -> bool {
        self.is_ahead(0, text)
    }

    fn is_ahead(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(text))
    }

    fn is_one_of(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is(text))
    }

    fn is_kind(&self, kind: Kind) -> bool {
        self.peek().is_some_and(|token| token.kind == kind)
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.is(text);
        self.at += usize::from(taken);
        taken
    }

    fn take_one_of(&mut self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.take(text))
    }

    /// All of the words in a row, or none.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let all = words.iter().enumerate().all(|(ahead, word)| self.is_ahead(ahead, word));
        if all {
            self.at += words.len();
        }
        all
    }

    fn expect(&mut self, text: &str) -> Read {
        if self.take(text) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn postgres(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Why the token at hand ends the reading.
    fn unexpected(&self) -> Reason {
        let Some(token) = self.peek() else { return Reason::Unsure("its end is missing") };
        if token.kind != Kind::Word {
            return Reason::Unsure("a form that is not known");
        }
        match token.name.as_ref() {
            "into" | "insert" | "update" | "delete" | "merge" => Reason::NotARead,
            "for" | "lock" => Reason::Locks,
            "tablesample" => Reason::Function("TABLESAMPLE".into()),
            word if names::is_reserved(word, self.dialect) && names::is_function_word(word) => {
                Reason::Function(word.into())
            }
            _ => Reason::Unsure("a form that is not known"),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= DEEPEST {
            return Err(Reason::TooLarge);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// One or more, with commas between them.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Read) -> Read {
        loop {
            item(self)?;
            if !self.take(",") {
                return Ok(());
            }
        }
    }

    /// Is there a name that can stand for a table, a column or an alias?
    fn at_name(&self) -> bool {
        self.peek().is_some_and(|token| match token.kind {
            Kind::Quoted => true,
            Kind::Word => !names::is_reserved(&token.name, self.dialect),
            _ => false,
        })
    }

    /// A name that is not one of the system's.
    fn name(&mut self) -> Read {
        if !self.at_name() {
            return Err(self.unexpected());
        }
        self.any_name()
    }

    /// As [`Self::name`], but keywords may be names here, because a dot or AS stands before.
    fn any_name(&mut self) -> Read {
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        if !matches!(token.kind, Kind::Word | Kind::Quoted) {
            return Err(self.unexpected());
        }
        if names::is_system(&token.name, self.dialect) {
            return Err(Reason::System(token.name.as_ref().into()));
        }
        self.at += 1;
        Ok(())
    }

    /// `(a, b)`
    fn names_in_parentheses(&mut self) -> Read {
        self.expect("(")?;
        self.list(Self::name)?;
        self.expect(")")
    }

    /// Does a query start here, perhaps in parentheses of its own?
    fn at_query(&self) -> bool {
        let parentheses = self.tokens[self.at..].iter().take_while(|token| token.is("(")).count();
        self.starts_query(parentheses)
    }

    fn starts_query(&self, ahead: usize) -> bool {
        let starts: &[&str] =
            if self.postgres() { &["select", "with", "values", "table"] } else { &["select", "with"] };
        starts.iter().any(|start| self.is_ahead(ahead, start))
    }
}
