//! What a statement's text does not tell and the database's catalogs do: which names stand for something that may
//! change although no row does.
//!
//! A user may have made a function of a built-in's name, a function that `row.name` calls, an operator, a view over
//! `now()`, or a row-level policy that asks the clock. A statement that has the name of such a thing anywhere is not
//! cached.

use std::collections::HashSet;

use super::classify::classify;
use super::verdict::{Dialect, Reason, Statement, Verdict};

/// Names to be wary of, of one database.
#[derive(Clone, Debug)]
pub struct Catalog {
    dialect: Dialect,
    suspects: HashSet<Box<str>>,
    /// Views and policies that look harmless, until a name of theirs turns out to be a suspect.
    derived: Vec<(Box<str>, Statement)>,
}

impl Catalog {
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, suspects: HashSet::new(), derived: Vec::new() }
    }

    /// The query whose rows go to [`Catalog::add`]: three columns of text. Any role may run it.
    pub fn sql(dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => include_str!("catalog_postgres.sql"),
            Dialect::MySql => include_str!("catalog_mysql.sql"),
        }
    }

    /// Takes in a row: what it is (`view`, `policy`, anything else is a suspect by itself), its name, and for views
    /// and policies the text of what they stand for.
    pub fn add(&mut self, kind: &str, name: &str, definition: Option<&str>) {
        let name = match self.dialect {
            Dialect::Postgres => name.into(),
            Dialect::MySql => name.to_lowercase().into(),
        };
        let text = match (kind, definition) {
            ("view", Some(query)) => query.to_owned(),
            ("policy", Some(condition)) => format!("SELECT {condition}"),
            _ => String::new(),
        };
        match classify(text.as_bytes(), self.dialect) {
            Verdict::Cacheable(statement) => self.derived.push((name, statement)),
            Verdict::Uncacheable(_) => {
                self.suspects.insert(name);
            }
        }
    }

    /// Call it after the last row: what stands on a suspect is one.
    #[must_use]
    pub fn finish(mut self) -> Self {
        loop {
            let before = self.suspects.len();
            let derived = std::mem::take(&mut self.derived);
            for (name, statement) in derived {
                if self.allows(&statement).is_ok() {
                    self.derived.push((name, statement));
                } else {
                    self.suspects.insert(name);
                }
            }
            if self.suspects.len() == before {
                self.derived = Vec::new();
                return self;
            }
        }
    }

    /// Is no name of the statement one of a suspect?
    pub fn allows(&self, statement: &Statement) -> Result<(), Reason> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        match statement.names().find(|name| self.suspects.contains(*name)) {
            Some(name) => Err(Reason::Suspect(name.into())),
            None => Ok(()),
        }
    }

    /// How many names are suspects.
    pub fn len(&self) -> usize {
        self.suspects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.suspects.is_empty()
    }
}
