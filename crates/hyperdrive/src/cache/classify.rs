//! May the answer to a statement be kept?

use std::sync::Arc;

use super::lexer::{Kind, Token, tokens};
use super::verdict::{Dialect, Reason, Statement, StatementParts, Verdict};
use super::{grammar, names};

/// A longer statement is not read.
const LONGEST: usize = 64 * 1024;

/// Says whether the answer to `sql` may be cached, and under which text.
///
/// A statement is cacheable when it certainly reads, certainly answers by nothing but rows, parameters, the role
/// and the session's parameters, and is certainly read here as the database reads it. All else is refused with the
/// first reason found. The caller sees to what the text does not tell: that no transaction is open, that the
/// session holds no temporary tables, and that its `client_encoding` is UTF-8 (see [`super::Session`]).
///
/// What a name stands for is not known here: a view over `now()`, or a user's own overload of a built-in function
/// that is not immutable, passes. [`super::Catalog`] knows.
pub fn classify(sql: &[u8], dialect: Dialect) -> Verdict {
    match read(sql, dialect) {
        Ok(statement) => Verdict::Cacheable(statement),
        Err(reason) => Verdict::Uncacheable(reason),
    }
}

fn read(sql: &[u8], dialect: Dialect) -> Result<Statement, Reason> {
    if sql.len() > LONGEST {
        return Err(Reason::TooLarge);
    }
    let sql = std::str::from_utf8(sql).map_err(|_| Reason::Unsure("it is not UTF-8"))?;
    if sql.contains('\0') {
        return Err(Reason::Unsure("a zero byte"));
    }
    let tokens = tokens(sql, dialect)?;
    let length = grammar::read(&tokens, dialect)?;
    let tokens = &tokens[..length];
    let (text, names) = (normalised(sql, tokens, dialect), named(tokens, dialect));
    Ok(Statement(Arc::new(StatementParts { text, names })))
}

/// Every name and operator, once.
fn named(tokens: &[Token<'_>], dialect: Dialect) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = tokens
        .iter()
        .filter(|token| match token.kind {
            Kind::Word => !names::is_reserved(&token.name, dialect),
            Kind::Quoted | Kind::Operator => true,
            _ => false,
        })
        .map(|token| match dialect {
            Dialect::Postgres => token.name.as_ref().into(),
            // Case matters to table names on some systems only.
            Dialect::MySql => token.name.to_lowercase().into(),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

/// The text without what changes nothing.
fn normalised(sql: &str, tokens: &[Token<'_>], dialect: Dialect) -> Box<str> {
    match (dialect, tokens) {
        // PostgreSQL's parser sees nothing but the tokens.
        (Dialect::Postgres, _) => {
            let mut text = String::with_capacity(sql.len());
            for token in tokens {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(token.raw);
            }
            text.into()
        }
        // MySQL names a column without an alias by its text, comments and spaces included.
        (Dialect::MySql, [first, .., last]) => sql[first.start..last.start + last.raw.len()].into(),
        (Dialect::MySql, _) => sql.into(),
    }
}

#[cfg(test)]
mod tests;
