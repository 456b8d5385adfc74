//! SET statements: which of them last for the session.

use super::Kind;
use super::scan::{Scan, Token};
use crate::mysql::settings::Setting;

/// Reads what follows SET.
pub(super) fn read(sql: &[u8], after_set: &Scan<'_>) -> Kind {
    let mut settings = Vec::new();
    let mut scan = after_set.clone();
    let mut next_transaction = false;
    loop {
        scan.skip_blank();
        let start = scan.at;
        let Some(assignment) = Assignment::read(&mut scan) else {
            return Kind::SessionOutsideTransaction("this SET statement");
        };
        let text = sql.get(start..assignment.end).unwrap_or_default();
        match assignment.what {
            What::UserVariable => return Kind::SessionOutsideTransaction("a variable of your own"),
            What::Elsewhere => {}
            What::Whole => return Kind::Plain,
            What::NextTransaction => next_transaction = true,
            What::Session { name, constant } => {
                let Ok(text) = std::str::from_utf8(text) else {
                    return Kind::SessionOutsideTransaction("this SET statement");
                };
                let sql = format!("SET {}", text.trim_end()).into();
                settings.push(Setting { name: name.into(), sql, constant });
            }
        }
        if !assignment.goes_on {
            break;
        }
    }
    match (settings.is_empty(), next_transaction) {
        (_, true) => Kind::NextTransaction,
        (true, false) => Kind::Plain,
        (false, false) => Kind::Set(settings),
    }
}

enum What {
    Session {
        name: String,
        constant: bool,
    },
    NextTransaction,
    UserVariable,
    /// It is no matter of this session.
    Elsewhere,
    /// The whole statement is something else than a list of assignments.
    Whole,
}

struct Assignment {
    what: What,
    /// Where its text ends.
    end: usize,
    /// There is another after a comma.
    goes_on: bool,
}

impl Assignment {
    fn read(scan: &mut Scan<'_>) -> Option<Self> {
        let mut session = false;
        let mut what = loop {
            match scan.next()? {
                Token::UserVariable => break What::UserVariable,
                Token::SystemVariable(name) => {
                    break What::Session { name: super::lower(name), constant: true };
                }
                Token::Quoted(name) => break What::Session { name: super::lower(name), constant: true },
                Token::Word(word) => match super::lower(word).as_str() {
                    "session" | "local" => session = true,
                    "global" | "persist" | "persist_only" => break What::Elsewhere,
                    "names" | "charset" | "character" => {
                        break What::Session { name: "names".to_owned(), constant: true };
                    }
                    "role" => break What::Session { name: "role".to_owned(), constant: true },
                    "transaction" if session => {
                        // Isolation level and access mode are two settings under one name.
                        break What::Session { name: "transaction".to_owned(), constant: false };
                    }
                    "transaction" => break What::NextTransaction,
                    "password" | "default" | "statement" | "resource" => break What::Whole,
                    name => break What::Session { name: name.to_owned(), constant: true },
                },
                _ => return None,
            }
        };
        if matches!(what, What::Whole) {
            return Some(Self { what, end: scan.at, goes_on: false });
        }
        let free_form = matches!(&what, What::Session { name, .. }
            if ["names", "role", "transaction"].contains(&name.as_str()));
        let (mut depth, mut parts, mut assigned) = (0_usize, 0, false);
        let mut end = scan.at;
        loop {
            let before = scan.at;
            let token = scan.next();
            match token {
                None | Some(Token::Symbol(b';')) => {
                    return Some(Self { what, end, goes_on: false });
                }
                // `SET TRANSACTION ISOLATION LEVEL …, READ ONLY` is one.
                Some(Token::Symbol(b',')) if depth == 0 && !matches!(&what, What::NextTransaction) => {
                    if !matches!(&what, What::Session { name, .. } if name == "transaction") {
                        return Some(Self { what, end: before, goes_on: true });
                    }
                }
                Some(Token::Symbol(b'(')) => depth += 1,
                Some(Token::Symbol(b')')) => depth = depth.saturating_sub(1),
                Some(Token::Symbol(b'=' | b':')) if !assigned || parts == 0 => {
                    assigned = true;
                    end = scan.at;
                    continue;
                }
                Some(Token::Symbol(b'.')) if !assigned => {}
                Some(Token::Symbol(b'-' | b'+')) if parts == 0 => {
                    end = scan.at;
                    continue;
                }
                Some(Token::UserVariable) => what = What::UserVariable,
                Some(Token::Word(word)) if word.eq_ignore_ascii_case(b"select") => return None,
                Some(_) => {}
            }
            end = scan.at;
            parts += 1;
            if let What::Session { constant, .. } = &mut what
                && !free_form
                && (parts > 1 || matches!(token, Some(Token::SystemVariable(_) | Token::Symbol(_))))
            {
                *constant = false;
            }
        }
    }
}
