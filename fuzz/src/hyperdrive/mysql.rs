use std::sync::Arc;

use selvedge_base::SharedClock;
use selvedge_hyperdrive::Origin;
use selvedge_hyperdrive::cache::QueryCache;
use selvedge_hyperdrive::mysql::{MySql, MySqlConfig, MySqlCredential, MySqlMode};
use selvedge_hyperdrive::pool::{PoolConfig, Status};

use super::database::Manners;
use super::{Answer, Protocol};

/// What clients and the database can do: protocol 4.1, transactions, methods of authentication by name.
const CAPABILITIES: u32 = 1 | 4 | 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;
const AUTOCOMMIT: u16 = 2;
const IN_TRANSACTION: u16 = 1;

pub struct MySqlProtocol;

/// One connection to the database.
#[derive(Default)]
pub struct Session {
    started: bool,
    in_transaction: bool,
}

impl Manners for MySqlProtocol {
    type Session = Session;

    fn greeting() -> Vec<u8> {
        let flags = CAPABILITIES.to_le_bytes();
        let payload = [
            &b"\x0a8.0.0\0\x07\0\0\0abcdefgh\0"[..],
            &flags[..2],
            &[45],
            &AUTOCOMMIT.to_le_bytes(),
            &flags[2..],
            &[21],
            &[0; 10],
            b"ijklmnopqrst\0mysql_native_password\0",
        ];
        let mut out = Vec::new();
        push(&mut out, 0, &payload.concat());
        out
    }

    fn answer(session: &mut Session, asked: &mut Vec<u8>, out: &mut Vec<u8>) {
        while let Some(length) = asked.get(..3) {
            let length = 4 + u32::from_le_bytes([length[0], length[1], length[2], 0]) as usize;
            if asked.len() < length {
                return;
            }
            let packet: Vec<u8> = asked.drain(..length).collect();
            if session.started {
                session.reply(&packet[4..], out);
            } else {
                session.started = true;
                push(out, packet[3].wrapping_add(1), &session.ok());
            }
        }
    }

    fn forget(session: &mut Session) {
        session.in_transaction = false;
    }
}

impl Session {
    fn reply(&mut self, command: &[u8], out: &mut Vec<u8>) {
        match command.split_first() {
            Some((3, sql)) => self.run(sql, out),
            // Prepared as number 1, without parameters and columns.
            Some((0x16, _)) => drop(push(out, 1, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
            // Goodbye, values sent ahead, the end of a statement: nothing is said to those.
            Some((1 | 0x18 | 0x19, _)) => {}
            Some((2 | 0x0e | 0x17 | 0x1a | 0x1f, _)) => drop(push(out, 1, &self.ok())),
            _ => drop(push(out, 1, b"\xff\x17\x04#08S01Unknown command")),
        }
    }

    fn run(&mut self, sql: &[u8], out: &mut Vec<u8>) {
        let begins =
            |word: &[u8]| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins(b"begin") || begins(b"start") {
            self.in_transaction = true;
        } else if begins(b"commit") || begins(b"rollback") {
            self.in_transaction = false;
        }
        if !begins(b"select") {
            push(out, 1, &self.ok());
            return;
        }
        let end = [&[0xfe, 0, 0][..], &self.status().to_le_bytes()].concat();
        // A row with the statement's own text.
        let mut row = vec![0xfc];
        row.extend_from_slice(&u16::try_from(sql.len()).unwrap_or(u16::MAX).to_le_bytes());
        row.extend_from_slice(sql);
        let mut sequence = 1;
        for payload in [&[1][..], &column(), &end, &row, &end] {
            sequence = push(out, sequence, payload);
        }
    }

    fn status(&self) -> u16 {
        AUTOCOMMIT | if self.in_transaction { IN_TRANSACTION } else { 0 }
    }

    fn ok(&self) -> Vec<u8> {
        [&[0, 0, 0][..], &self.status().to_le_bytes(), &[0, 0]].concat()
    }
}

impl Protocol for MySqlProtocol {
    type Pooler = MySql;

    fn origin(directory: &str, number: usize) -> (Origin, String) {
        let socket = format!("{directory}/{number}");
        (Origin::parse(&format!("mysql://u:p@localhost/d?host={socket}")).unwrap(), socket)
    }

    fn pooler(
        origin: Origin,
        pool: PoolConfig,
        cache: Option<Arc<QueryCache>>,
        clock: SharedClock,
    ) -> Arc<MySql> {
        // Without a password there is nothing to compute.
        let credential =
            MySqlCredential { user: "u".to_owned(), password: String::new(), database: "d".to_owned() };
        MySql::new(origin, credential, MySqlConfig::default(), pool, cache, clock).unwrap()
    }

    fn renew(pooler: &MySql, origin: Origin, pool: PoolConfig, sessions: bool) {
        let mode = if sessions { MySqlMode::Session } else { MySqlMode::Transaction };
        pooler.reconfigure(MySqlConfig { mode, ..MySqlConfig::default() }, &pool);
        pooler.replace_origin(origin).unwrap();
    }

    fn status(pooler: &MySql) -> Status {
        pooler.pool().status()
    }

    fn login(_: &str) -> Vec<u8> {
        let payload = [
            &(CAPABILITIES | 1 << 3).to_le_bytes()[..],
            &(1_u32 << 24).to_le_bytes(),
            &[45],
            &[0; 23],
            b"u\0\0d\0mysql_native_password\0",
        ];
        let mut out = Vec::new();
        push(&mut out, 1, &payload.concat());
        out
    }

    fn query(sql: &str) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, 0, &[&[3], sql.as_bytes()].concat());
        out
    }

    fn answers(told: &[u8], _: &str) -> Result<Vec<Answer>, String> {
        let mut packets = Packets(told);
        let mut answers = Vec::new();
        // The greeting, and what the login comes to.
        if let Some((_, payload)) = packets.next()
            && payload.first() == Some(&0xff)
        {
            return Ok(vec![Answer { failed: true, ..Answer::default() }]);
        }
        match packets.next() {
            None | Some((_, [0, ..])) => {}
            Some((_, [0xff, ..])) => return Ok(vec![Answer { failed: true, ..Answer::default() }]),
            Some(other) => return Err(format!("{other:?} ended the login")),
        }
        let mut answer = Answer::default();
        let mut part = 0;
        for (sequence, payload) in packets {
            // An error for the connection has the number 0.
            if payload.first() == Some(&0xff) && (sequence == part + 1 || sequence == 0) {
                answer.failed = true;
            } else {
                let right = match (part, payload) {
                    (0, [1]) | (2 | 4, [0xfe, 0, 0, ..]) => true,
                    (1, definition) => definition == column(),
                    // Texts have two bytes of length.
                    (3, [0xfc, _, _, row @ ..]) => {
                        answer.rows.push(row.to_vec());
                        true
                    }
                    _ => false,
                };
                if !right || sequence != part + 1 {
                    return Err(format!("{:?} came as packet {sequence}", String::from_utf8_lossy(payload)));
                }
            }
            part += 1;
            if answer.failed || part == 5 {
                answers.push(std::mem::take(&mut answer));
                part = 0;
            }
        }
        Ok(answers)
    }

    fn flaw(said: &[u8], told: &[u8]) -> Option<String> {
        let mut answers = 0;
        let mut last = None::<u8>;
        for (sequence, _) in Packets(told) {
            answers += usize::from(last.is_none_or(|last| sequence != last.wrapping_add(1)));
            last = Some(sequence);
        }
        // The greeting, the answer to the login, one for each command, and a goodbye. TLS was never offered.
        let asked = Packets(said).count();
        (answers > asked + 3).then(|| format!("{answers} answers to {asked} packets"))
    }
}

/// One column, of text.
fn column() -> Vec<u8> {
    [&b"\x03def\0\0\0\x01c\0\x0c"[..], &[45, 0], &[0xff, 0, 0, 0], &[253], &[0; 5]].concat()
}

/// Numbers and payloads, one after another. One that is cut off at the end is left out.
struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, sequence], rest) = self.0.split_first_chunk()?;
        let (payload, rest) = rest.split_at_checked(u32::from_le_bytes([a, b, c, 0]) as usize)?;
        self.0 = rest;
        Some((sequence, payload))
    }
}

/// Gives the number of the next packet.
fn push(out: &mut Vec<u8>, sequence: u8, payload: &[u8]) -> u8 {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    out.extend_from_slice(&[length[0], length[1], length[2], sequence]);
    out.extend_from_slice(payload);
    sequence.wrapping_add(1)
}
