//! How the pooler stands, asked for as people who come from PgBouncer ask: by connecting to the database `pgbouncer`, or
//! `hyperdrive`, and sending `SHOW POOLS`. It can be read and not changed.
//!
//! Both forms of queries are answered, so that drivers which know only the extended one can ask too.

mod table;
mod tables;

use std::collections::HashMap;

use tokio::io::AsyncWriteExt as _;

use super::error::{PgError, Severity};
use super::message::{
    CLOSE_COMPLETE, PARSE_COMPLETE, from_client, from_origin, push, push_parameter, push_ready, push_text,
    text,
};
use super::reader::Reader;
use super::server::Postgres;
use crate::Stream;
use table::Table;
pub(super) use tables::answer;

/// The names under which there is a console, unless the database itself has one of them.
const NAMES: [&[u8]; 2] = [b"pgbouncer", b"hyperdrive"];
/// Statements and portals a client may keep.
const KEPT: usize = 100;

const BIND_COMPLETE: &[u8] = b"2\0\0\0\x04";
const NO_DATA: &[u8] = b"n\0\0\0\x04";
const EMPTY_QUERY: &[u8] = b"I\0\0\0\x04";

pub(super) fn is_name(database: &[u8]) -> bool {
    NAMES.contains(&database)
}

/// What a command gives.
#[derive(Debug)]
pub(super) enum Answer {
    Table(Table),
    /// A notice's text and its detail.
    Help(String),
    /// There was no command.
    Nothing,
}

/// A statement, and as a portal the formats its result is wanted in.
type Statement = (String, Vec<bool>);

/// Speaks with a client that has shown who it is, until it has gone.
pub(super) async fn serve<S: Stream>(server: &Postgres, client: &mut S, mut reader: Reader) {
    let mut console =
        Console { server, statements: HashMap::new(), portals: HashMap::new(), skipping: false };
    let mut out = greeting();
    loop {
        if client.write_all(&out).await.is_err() || client.flush().await.is_err() {
            return;
        }
        out.clear();
        let Ok((kind, body)) = reader.message(client).await else { return };
        if kind == from_client::TERMINATE {
            return;
        }
        if let Err(error) = console.message(kind, body, &mut out) {
            error.push(&mut out);
            if error.severity == Severity::Fatal {
                let _ = client.write_all(&out).await;
                return;
            }
            // A simple query ends with its error, an extended one with the Sync that follows.
            if kind == from_client::QUERY {
                push_ready(&mut out, b'I');
            } else {
                console.skipping = true;
            }
        }
    }
}

fn greeting() -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, from_origin::AUTHENTICATION, |out| out.extend_from_slice(&0u32.to_be_bytes()));
    for (name, value) in [
        ("server_version", concat!(env!("CARGO_PKG_VERSION"), "/selvedge")),
        ("client_encoding", "UTF8"),
        ("server_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "GMT"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
    ] {
        push_parameter(&mut out, name.as_bytes(), value.as_bytes());
    }
    // Nothing here takes so long that it could be cancelled.
    push(&mut out, from_origin::BACKEND_KEY_DATA, |out| out.extend_from_slice(&[0; 8]));
    push_ready(&mut out, b'I');
    out
}

struct Console<'a> {
    server: &'a Postgres,
    statements: HashMap<Box<[u8]>, String>,
    portals: HashMap<Box<[u8]>, Statement>,
    /// After an error nothing counts until the next Sync.
    skipping: bool,
}

impl Console<'_> {
    fn message(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
        match kind {
            from_client::SYNC => {
                self.skipping = false;
                push_ready(out, b'I');
            }
            from_client::QUERY if !self.skipping => self.query(body, out)?,
            _ if self.skipping => {}
            from_client::PARSE => self.parse(body, out)?,
            from_client::BIND => self.bind(body, out)?,
            from_client::DESCRIBE => self.describe(body, out)?,
            from_client::EXECUTE => {
                let (name, _) = text(body).ok_or_else(malformed)?;
                let (sql, formats) = self.portals.get(name).ok_or_else(|| no_such("portal", name))?;
                give(answer(self.server, sql)?, formats, false, out);
            }
            from_client::CLOSE => {
                let (kept, name) = target(body)?;
                match kept {
                    b'S' => drop(self.statements.remove(name)),
                    _ => drop(self.portals.remove(name)),
                }
                out.extend_from_slice(CLOSE_COMPLETE);
            }
            from_client::FLUSH => {}
            other => return Err(PgError::protocol(format!("invalid frontend message type {other}"))),
        }
        Ok(())
    }

    fn query(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
        let (sql, _) = text(body).ok_or_else(malformed)?;
        give(answer(self.server, &String::from_utf8_lossy(sql))?, &[], true, out);
        push_ready(out, b'I');
        Ok(())
    }

    fn parse(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
        let (name, rest) = text(body).ok_or_else(malformed)?;
        let (sql, _) = text(rest).ok_or_else(malformed)?;
        if self.statements.len() >= KEPT && !self.statements.contains_key(name) {
            return Err(PgError::new(*b"53400", format!("the console keeps {KEPT} prepared statements")));
        }
        let sql = String::from_utf8_lossy(sql).into_owned();
        // A mistake shows now, as it would with a database.
        answer(self.server, &sql)?;
        self.statements.insert(name.into(), sql);
        out.extend_from_slice(PARSE_COMPLETE);
        Ok(())
    }

    fn bind(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
        let (portal, rest) = text(body).ok_or_else(malformed)?;
        let (name, rest) = text(rest).ok_or_else(malformed)?;
        let sql = self.statements.get(name).ok_or_else(|| no_such("prepared statement", name))?;
        let (_, rest) = numbers(rest).ok_or_else(malformed)?;
        let (parameters, rest) = rest.split_first_chunk().ok_or_else(malformed)?;
        if *parameters != [0, 0] {
            return Err(PgError::new(*b"08P01", "commands of the console take no parameters"));
        }
        let (formats, _) = numbers(rest).ok_or_else(malformed)?;
        if self.portals.len() >= KEPT {
            self.portals.clear();
        }
        let formats = formats.iter().map(|format| *format == 1).collect();
        self.portals.insert(portal.into(), (sql.clone(), formats));
        out.extend_from_slice(BIND_COMPLETE);
        Ok(())
    }

    fn describe(&self, body: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
        let (sql, formats) = match target(body)? {
            (b'S', name) => {
                let sql = self.statements.get(name).ok_or_else(|| no_such("prepared statement", name))?;
                push(out, from_origin::PARAMETER_DESCRIPTION, |out| out.extend_from_slice(&[0, 0]));
                (sql, &[][..])
            }
            (_, name) => {
                let (sql, formats) = self.portals.get(name).ok_or_else(|| no_such("portal", name))?;
                (sql, &formats[..])
            }
        };
        match answer(self.server, sql)? {
            Answer::Table(table) => table.push_description(formats, out),
            Answer::Help(_) | Answer::Nothing => out.extend_from_slice(NO_DATA),
        }
        Ok(())
    }
}

/// Everything that answers a command, up to its CommandComplete.
fn give(answer: Answer, formats: &[bool], described: bool, out: &mut Vec<u8>) {
    match answer {
        Answer::Table(table) => {
            if described {
                table.push_description(formats, out);
            }
            table.push_rows(formats, out);
        }
        Answer::Help(help) => push(out, from_origin::NOTICE, |out| {
            for (field, value) in
                [(b'S', "NOTICE"), (b'V', "NOTICE"), (b'C', "00000"), (b'M', "Console usage"), (b'D', &help)]
            {
                out.push(field);
                push_text(out, value.as_bytes());
            }
            out.push(0);
        }),
        Answer::Nothing => return out.extend_from_slice(EMPTY_QUERY),
    }
    push(out, from_origin::COMMAND_COMPLETE, |out| push_text(out, b"SHOW"));
}

/// A count, and so many numbers of two bytes.
fn numbers(bytes: &[u8]) -> Option<(Vec<u16>, &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    let (numbers, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*count)) * 2)?;
    Some((numbers.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(), rest))
}

/// Of a Describe or a Close.
fn target(body: &[u8]) -> Result<(u8, &[u8]), PgError> {
    let (kind, rest) = body.split_first().ok_or_else(malformed)?;
    let (name, _) = text(rest).ok_or_else(malformed)?;
    if matches!(kind, b'S' | b'P') { Ok((*kind, name)) } else { Err(malformed()) }
}

fn malformed() -> PgError {
    PgError::protocol("invalid message format")
}

fn no_such(what: &str, name: &[u8]) -> PgError {
    let name = String::from_utf8_lossy(name);
    PgError::new(*b"26000", format!("{what} \"{name}\" does not exist"))
}
