//! What classification says about a statement.

use std::fmt;
use std::sync::Arc;

/// Whose rules a statement's text follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

/// Whether the answer to a statement may be kept and given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Cacheable(Statement),
    Uncacheable(Reason),
}

impl Verdict {
    pub fn is_cacheable(&self) -> bool {
        matches!(self, Self::Cacheable(_))
    }
}

/// A statement that may be cached. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(pub(super) Arc<StatementParts>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatementParts {
    pub(super) text: Box<str>,
    pub(super) names: Box<[Box<str>]>,
}

impl Statement {
    /// The text that is part of the key: without the comments and the white space that change nothing.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Every name and operator in it, as the database folds them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names.iter().map(AsRef::as_ref)
    }
}

/// Why a statement's answer is not kept. `Display` is for the log and for `EXPLAIN`-like tools.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It does something else than read.
    NotARead,
    /// More than one statement in one message.
    SeveralStatements,
    /// It takes locks (`FOR UPDATE`, `LOCK IN SHARE MODE`).
    Locks,
    /// A function or a function-like word whose answer may change although no row does, or that nobody knows.
    Function(Box<str>),
    /// A value that stands for the current time (`'now'`, `'today'`), or a cast that could meet one.
    Clock,
    /// A type that is not built in, or that names things in the catalogs.
    Type(Box<str>),
    /// An operator that is not built in.
    Operator(Box<str>),
    /// System catalogs, system columns, temporary schemas and variables: they change without a write.
    System(Box<str>),
    /// The catalogs know something else under this name than the text tells.
    Suspect(Box<str>),
    /// A hint or a versioned comment: it may change settings or run code.
    Hint,
    /// The text means different things under different settings, or is in no form that is known with certainty.
    Unsure(&'static str),
    /// Too long, too deep or with too many bytes of parameters.
    TooLarge,
    /// The session reads text by rules of its own (`client_encoding`, `standard_conforming_strings`).
    Session(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARead => f.write_str("it is not a read"),
            Self::SeveralStatements => f.write_str("it is several statements"),
            Self::Locks => f.write_str("it takes locks"),
            Self::Function(name) => write!(f, "{name} is not known to be immutable"),
            Self::Clock => f.write_str("a value may stand for the current time"),
            Self::Type(name) => write!(f, "the type {name} is not known to be safe"),
            Self::Operator(name) => write!(f, "the operator {name} is not built in"),
            Self::System(name) => write!(f, "{name} changes without a write"),
            Self::Suspect(name) => write!(f, "the database has a {name} whose answer may change by itself"),
            Self::Hint => f.write_str("it has a hint comment"),
            Self::Unsure(what) => write!(f, "it cannot be read with certainty: {what}"),
            Self::TooLarge => f.write_str("it is too large"),
            Self::Session(parameter) => write!(f, "the session's {parameter} is not the usual one"),
        }
    }
}
