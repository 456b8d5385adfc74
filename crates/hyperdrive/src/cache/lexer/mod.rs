//! From text to tokens, by each database's own lexical rules. What those rules leave to a setting, or what a
//! later version reads differently, is refused.

mod mysql;
mod postgres;
mod scan;

use std::borrow::Cow;

use super::verdict::{Dialect, Reason};

pub(super) use scan::names_the_clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted name or keyword.
    Word,
    /// A quoted name. Never a keyword.
    Quoted,
    String,
    Number,
    /// A placeholder for a bound value.
    Parameter,
    Operator,
    /// One of `( ) [ ] , ; . : ::`.
    Mark,
}

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// As it was written.
    pub(super) raw: &'a str,
    /// A word in lower case, a quoted name without its quotes, anything else as written.
    pub(super) name: Cow<'a, str>,
    /// White space or a comment stands before it.
    pub(super) spaced: bool,
    /// Where it starts in the text, in bytes.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Is it this keyword, operator or mark?
    pub(super) fn is(&self, text: &str) -> bool {
        !matches!(self.kind, Kind::Quoted | Kind::String) && self.name == text
    }
}

pub(super) fn tokens(sql: &str, dialect: Dialect) -> Result<Vec<Token<'_>>, Reason> {
    match dialect {
        Dialect::Postgres => postgres::tokens(sql),
        Dialect::MySql => mysql::tokens(sql),
    }
}
