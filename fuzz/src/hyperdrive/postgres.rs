use std::sync::Arc;

use selvedge_base::SharedClock;
use selvedge_hyperdrive::Origin;
use selvedge_hyperdrive::cache::QueryCache;
use selvedge_hyperdrive::pool::{PoolConfig, Status};
use selvedge_hyperdrive::postgres::{ClientAuth, Credential, Mode, Postgres, PostgresConfig};

use super::database::Manners;
use super::{Answer, Protocol};

const PROTOCOL: u32 = 3 << 16;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSSAPI: u32 = 80_877_104;

/// What a connection starts with.
const SETTINGS: [(&str, &str); 7] = [
    ("server_version", "15.0"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "postgres"),
    ("standard_conforming_strings", "on"),
    ("application_name", "selvedge"),
];
/// Kinds of message that may be told to a client.
const KINDS: &[u8] = b"123ACDEGHIKNRSTVZcdnstv";

pub struct PostgresProtocol;

/// One connection to the database.
#[derive(Default)]
pub struct Session {
    started: bool,
    in_transaction: bool,
    /// Of the statement that was parsed last.
    sql: Vec<u8>,
}

impl Manners for PostgresProtocol {
    type Session = Session;

    fn greeting() -> Vec<u8> {
        Vec::new()
    }

    fn answer(session: &mut Session, asked: &mut Vec<u8>, out: &mut Vec<u8>) {
        loop {
            // The first packet has no kind.
            let start = usize::from(session.started);
            let Some(length) = asked.get(start..start + 4) else { return };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize + start;
            if asked.len() < length || length < start + 4 {
                return;
            }
            let packet: Vec<u8> = asked.drain(..length).collect();
            let body = &packet[start + 4..];
            if session.started {
                session.reply(packet[0], body, out);
            } else {
                session.started = true;
                if !body.starts_with(&CANCEL.to_be_bytes()) {
                    welcome(out);
                }
            }
        }
    }

    fn forget(session: &mut Session) {
        session.in_transaction = false;
    }
}

impl Session {
    fn reply(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) {
        let text = |bytes: &[u8]| bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        match kind {
            b'Q' => {
                self.sql = text(body);
                self.set(out);
                push(out, b'T', &columns());
                self.run(out);
                self.ready(out);
            }
            b'P' => {
                let name = text(body).len() + 1;
                self.sql = text(body.get(name..).unwrap_or_default());
                push(out, b'1', b"");
            }
            b'B' => push(out, b'2', b""),
            b'D' => {
                if body.first() == Some(&b'S') {
                    push(out, b't', &[0, 0]);
                }
                push(out, b'T', &columns());
            }
            b'E' => self.run(out),
            b'C' => push(out, b'3', b""),
            b'F' => {
                push(out, b'V', &(-1_i32).to_be_bytes());
                self.ready(out);
            }
            b'S' => self.ready(out),
            _ => {}
        }
    }

    /// A row with the statement's own text.
    fn run(&mut self, out: &mut Vec<u8>) {
        let begins =
            |word: &[u8]| self.sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins(b"begin") {
            self.in_transaction = true;
        } else if begins(b"commit") || begins(b"rollback") {
            self.in_transaction = false;
        }
        let length = u32::try_from(self.sql.len()).unwrap();
        push(out, b'D', &[&[0, 1], &length.to_be_bytes()[..], &self.sql].concat());
        push(out, b'C', b"SELECT 1\0");
    }

    /// Settings that the pooler makes are reported.
    fn set(&self, out: &mut Vec<u8>) {
        let sql = String::from_utf8_lossy(&self.sql);
        for call in sql.split("pg_catalog.set_config('").skip(1) {
            let mut texts = call.split('\'');
            if let (Some(name), Some(", "), Some(value)) = (texts.next(), texts.next(), texts.next()) {
                push(out, b'S', format!("{name}\0{value}\0").as_bytes());
            }
        }
    }

    fn ready(&self, out: &mut Vec<u8>) {
        push(out, b'Z', if self.in_transaction { b"T" } else { b"I" });
    }
}

impl Protocol for PostgresProtocol {
    type Pooler = Postgres;

    fn origin(directory: &str, number: usize) -> (Origin, String) {
        let origin = Origin::parse(&format!("postgres://u:p@localhost:{number}/d?host={directory}")).unwrap();
        (origin, format!("{directory}/.s.PGSQL.{number}"))
    }

    fn pooler(
        origin: Origin,
        pool: PoolConfig,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Arc<Postgres> {
        let credential = Credential {
            user: "u".to_owned(),
            password: String::new(),
            database: "d".to_owned(),
            auth: ClientAuth::Trust,
        };
        Postgres::new(origin, credential, PostgresConfig::default(), pool, cache, clock).unwrap()
    }

    fn renew(pooler: &Postgres, origin: Origin, pool: PoolConfig, sessions: bool) {
        let mode = if sessions { Mode::Session } else { Mode::Transaction };
        pooler.reconfigure(PostgresConfig { mode, ..PostgresConfig::default() }, pool);
        pooler.replace_origin(origin).unwrap();
    }

    fn status(pooler: &Postgres) -> Status {
        pooler.pool().status()
    }

    fn login(name: &str) -> Vec<u8> {
        let texts = format!("user\0u\0database\0d\0application_name\0{name}\0\0");
        let length = u32::try_from(texts.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &PROTOCOL.to_be_bytes(), texts.as_bytes()].concat()
    }

    fn query(sql: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, b'Q', format!("{sql}\0").as_bytes());
        out
    }

    fn answers(told: &[u8], name: &str) -> Result<Vec<Answer>, String> {
        let (mut answers, mut answer, mut is_in) = (Vec::new(), Answer::default(), false);
        for message in Messages(told) {
            let (kind, body) = message?;
            match kind {
                // At first, what a connection was opened with, whatever that was.
                b'R' | b'K' | b'S' if !is_in => {}
                b'S' if is_a_setting(body, name) => {}
                b'T' if is_in && body == columns() => {}
                // One column, and its length.
                b'D' if is_in => answer.rows.push(body.get(6..).unwrap_or_default().to_vec()),
                b'C' if is_in && body == b"SELECT 1\0" => {}
                b'E' => answer.failed = true,
                b'Z' if body == b"I" => {
                    if is_in {
                        answers.push(std::mem::take(&mut answer));
                    }
                    is_in = true;
                }
                _ => return Err(format!("{:?} with {:?}", char::from(kind), String::from_utf8_lossy(body))),
            }
        }
        if answer.failed {
            answers.push(answer);
        }
        Ok(answers)
    }

    fn flaw(said: &[u8], told: &[u8]) -> Option<String> {
        // Requests for encryption are declined with a letter each.
        let (mut said, mut told) = (said, told);
        while let Some((packet, rest)) = packet(said)
            && (packet == TLS.to_be_bytes() || packet == GSSAPI.to_be_bytes())
        {
            match told.split_first() {
                Some((b'N', after)) => (said, told) = (rest, after),
                // It asks for the third time, or of who has gone.
                _ => break,
            }
        }
        let Some((startup, rest)) = packet(said) else {
            return (!told.is_empty() && told[0] != b'E')
                .then(|| "an answer to no startup packet".to_owned());
        };
        if startup.starts_with(&[0, 1]) || startup.starts_with(&[0, 2]) {
            // Errors had no length then.
            return (told.first() != Some(&b'E')).then(|| "no error for protocol 2".to_owned());
        }
        // Each of these ends in one ReadyForQuery, and the login in one.
        let mut asking = Messages(rest);
        let asked = asking.by_ref().map_while(Result::ok).filter(|(kind, _)| b"QFS".contains(kind)).count();
        // What is too long to be looked at as a whole may be answered before that is there.
        let asked = asked + usize::from(asking.0.first().is_some_and(|kind| b"QF".contains(kind)));
        let mut ready = 0;
        for message in Messages(told) {
            match message {
                Ok((b'Z', body)) if body.len() == 1 => ready += 1,
                Ok((b'Z', _)) => return Some("a malformed ReadyForQuery".to_owned()),
                Ok((kind, _)) if KINDS.contains(&kind) => {}
                Ok((kind, _)) => return Some(format!("a message of kind {:?}", char::from(kind))),
                Err(what) => return Some(what),
            }
        }
        (ready > 1 + asked).then(|| format!("{ready} times ready after {asked} requests"))
    }
}

fn is_a_setting(body: &[u8], application_name: &str) -> bool {
    let is = |name: &str, value: &str| body == format!("{name}\0{value}\0").as_bytes();
    SETTINGS.iter().any(|(name, value)| is(name, value)) || is("application_name", application_name)
}

/// The content of the packet without a kind at the start of `bytes`, and what follows it.
fn packet(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let (packet, rest) = bytes.split_at_checked(length)?;
    Some((packet.get(4..)?, rest))
}

/// Kinds and bodies, one after another. One that is cut off at the end is left out.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<(u8, &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.0.split_first()?;
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        if !(4..1 << 30).contains(&length) {
            self.0 = &[];
            return Some(Err(format!("a message of kind {:?} and length {length}", char::from(kind))));
        }
        let (message, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Ok((kind, &message[4..])))
    }
}

fn welcome(out: &mut Vec<u8>) {
    push(out, b'R', &[0; 4]);
    for (name, value) in SETTINGS {
        push(out, b'S', format!("{name}\0{value}\0").as_bytes());
    }
    push(out, b'K', &[0, 0, 0, 1, 1, 2, 3, 4]);
    push(out, b'Z', b"I");
}

/// One column of text.
fn columns() -> Vec<u8> {
    [&b"\0\x01c\0\0\0\0\0\0\0"[..], &25_u32.to_be_bytes(), b"\xff\xff\xff\xff\xff\xff\0\0"].concat()
}

fn push(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    out.extend_from_slice(body);
}
