//! What an answer is kept under. The whole of it is compared, never only a hash: two keys that were taken for one
//! would show one reader's rows to another.

use std::sync::Arc;

use super::lexer::names_the_clock;
use super::verdict::{Dialect, Reason, Statement};

/// A longer key is not worth keeping.
const LONGEST: usize = 64 * 1024;

/// Who asks, and under which settings. Made once for a client and again when one of its parameters changes.
#[derive(Clone, Debug)]
pub struct Session {
    dialect: Dialect,
    prefix: Arc<[u8]>,
    refused: Option<&'static str>,
}

impl Session {
    /// `role` is whom the database takes the session for. `parameters` are those that differ from the ones a new
    /// backend of the same pool has, or simply all that are known, as the server reports them: their order and
    /// the case of their names do not matter.
    pub fn new<'a>(
        dialect: Dialect,
        database: &str,
        role: &str,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut parameters: Vec<(String, &str)> =
            parameters.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        parameters.sort_unstable();
        let refused = parameters.iter().find_map(|(name, value)| refuses(dialect, name, value));
        let mut prefix = Vec::new();
        prefix.push(dialect as u8);
        part(&mut prefix, database.as_bytes());
        part(&mut prefix, role.as_bytes());
        for (name, value) in &parameters {
            part(&mut prefix, name.as_bytes());
            part(&mut prefix, value.as_bytes());
        }
        let mut whole = Vec::with_capacity(prefix.len() + 4);
        part(&mut whole, &prefix);
        Self { dialect, prefix: whole.into(), refused }
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// The parameter under which the text may be read otherwise than by [`super::classify`].
fn refuses(dialect: Dialect, name: &str, value: &str) -> Option<&'static str> {
    let value = value.to_ascii_lowercase();
    match (dialect, name) {
        (Dialect::Postgres, "client_encoding") if !matches!(value.as_str(), "utf8" | "utf-8" | "unicode") => {
            Some("client_encoding")
        }
        (Dialect::Postgres, "standard_conforming_strings") if value != "on" => {
            Some("standard_conforming_strings")
        }
        (Dialect::MySql, "character_set_client") if !value.starts_with("utf8") => {
            Some("character_set_client")
        }
        // Oracle's mode has functions without parentheses and other operators.
        (Dialect::MySql, "sql_mode") if value.contains("oracle") => Some("sql_mode"),
        _ => None,
    }
}

/// In which form the answer's bytes are: those of one are no answer in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    PostgresSimple,
    /// The answer to Execute alone.
    PostgresExtended,
    /// The answer to Describe and Execute.
    PostgresDescribed,
    MySqlText,
    MySqlBinary,
}

/// Gathers a key. [`KeyBuilder::finish`] says whether there is one.
#[derive(Debug)]
pub struct KeyBuilder {
    bytes: Vec<u8>,
    dialect: Dialect,
    refused: Option<Reason>,
}

impl KeyBuilder {
    pub fn new(session: &Session, statement: &Statement, form: Form) -> Self {
        let text = statement.text().as_bytes();
        let mut bytes = Vec::with_capacity(session.prefix.len() + text.len() + 64);
        bytes.extend_from_slice(&session.prefix);
        bytes.push(form as u8);
        part(&mut bytes, text);
        Self { bytes, dialect: session.dialect, refused: session.refused.map(Reason::Session) }
    }

    /// A bound value, in order. `kind` is the type as the client declared it (0 when it did not), `format` 0 for
    /// text and 1 for binary, `None` is NULL.
    pub fn parameter(&mut self, kind: u32, format: i16, value: Option<&[u8]>) {
        self.bytes.push(b'p');
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&format.to_be_bytes());
        match value {
            None => self.bytes.push(0),
            Some(value) if self.bytes.len() + value.len() > LONGEST => self.refuse(Reason::TooLarge),
            Some(value) => {
                self.bytes.push(1);
                part(&mut self.bytes, value);
                if self.dialect == Dialect::Postgres && names_the_clock(value) {
                    self.refuse(Reason::Clock);
                }
            }
        }
    }

    /// Anything else that changes the answer's bytes: result formats, capabilities.
    pub fn part(&mut self, bytes: &[u8]) {
        self.bytes.push(b'x');
        part(&mut self.bytes, bytes);
    }

    pub fn finish(self) -> Result<Key, Reason> {
        match self.refused {
            Some(reason) => Err(reason),
            None if self.bytes.len() > LONGEST => Err(Reason::TooLarge),
            None => Ok(Key(self.bytes.into())),
        }
    }

    fn refuse(&mut self, reason: Reason) {
        self.refused.get_or_insert(reason);
    }
}

/// Made by [`KeyBuilder`]. Good for one configuration: the cache adds which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub(super) Arc<[u8]>);

/// Appends `bytes` with their length before them, so that no two lists of parts give the same bytes.
fn part(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}
