//! What a statement does to its session, as far as its text tells. It need not be certain: a connection that says
//! that its session has changed is reset, and nothing here decides what may be cached.

mod scan;
mod set;

use scan::{Scan, Token};

use super::settings::Setting;

/// What a statement asks of the connection that it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about one text")]
pub(super) struct Inspected {
    pub(super) kind: Kind,
    /// It names a variable of the user's, which is gone with the connection.
    pub(super) user_variables: bool,
    /// It asks for the number that the session's last INSERT made.
    pub(super) last_insert_id: bool,
    /// It takes a lock by name.
    pub(super) named_locks: bool,
    /// It asks what the statement before it left behind.
    pub(super) looks_back: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Plain,
    /// Settings that last for the session.
    Set(Vec<Setting>),
    /// SET TRANSACTION: for the next transaction alone.
    NextTransaction,
    Use(String),
    /// KILL of a connection, or of what it is doing.
    Kill {
        number: u64,
        query_only: bool,
    },
    /// It makes or needs something that lasts for the session, by this name.
    Session(&'static str),
    /// The same, but in a transaction it can be undone.
    SessionOutsideTransaction(&'static str),
}

pub(super) fn inspect(sql: &[u8]) -> Inspected {
    let mut inspected = Inspected::default();
    let mut start = Scan::new(sql);
    let first = start.first_word();
    inspected.kind = match first.as_deref() {
        Some("set") => set::read(sql, &start),
        Some("use") => match start.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => {
                Kind::Use(String::from_utf8_lossy(name).into_owned())
            }
            _ => Kind::Plain,
        },
        Some("kill") => kill(&mut start),
        Some("lock" | "unlock") => Kind::Session("LOCK TABLES"),
        Some("handler") => Kind::Session("HANDLER"),
        Some("xa") => Kind::Session("XA"),
        Some("prepare" | "execute" | "deallocate") => Kind::SessionOutsideTransaction("PREPARE in SQL"),
        Some("create" | "drop") if start.word().as_deref() == Some("temporary") => {
            Kind::SessionOutsideTransaction("a temporary table")
        }
        Some("get") => Kind::SessionOutsideTransaction("GET DIAGNOSTICS"),
        Some("show") if matches!(start.word().as_deref(), Some("warnings" | "errors" | "count")) => {
            Kind::SessionOutsideTransaction("SHOW WARNINGS")
        }
        _ => Kind::Plain,
    };
    inspected.look_for_functions(sql);
    inspected
}

impl Inspected {
    fn look_for_functions(&mut self, sql: &[u8]) {
        let mut scan = Scan::new(sql);
        while let Some(token) = scan.next() {
            match token {
                Token::UserVariable => self.user_variables = true,
                Token::SystemVariable(name) => match lower(name).as_str() {
                    "last_insert_id" | "identity" => self.last_insert_id = true,
                    "warning_count" | "error_count" => self.looks_back = true,
                    _ => {}
                },
                Token::Word(word) if word.len() >= 8 && scan.at_parenthesis() => match lower(word).as_str() {
                    "last_insert_id" => self.last_insert_id = true,
                    "get_lock" | "release_lock" | "release_all_locks" => self.named_locks = true,
                    "found_rows" | "row_count" => self.looks_back = true,
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

fn kill(scan: &mut Scan<'_>) -> Kind {
    let mut query_only = false;
    loop {
        match scan.next() {
            Some(Token::Word(word)) => match lower(word).as_str() {
                "query" => query_only = true,
                "connection" | "hard" | "soft" => {}
                _ => return Kind::Plain,
            },
            Some(Token::Number(digits)) => {
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                return number.map_or(Kind::Plain, |number| Kind::Kill { number, query_only });
            }
            _ => return Kind::Plain,
        }
    }
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
