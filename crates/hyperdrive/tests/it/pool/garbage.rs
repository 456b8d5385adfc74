//! Clients that send anything: each ends by itself or in an error, and leaves nothing for the next.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::extended::{bind, execute, parse, sync};
use crate::support::pooler::origin;
use crate::support::{Pooler, Postgres, message};

const CASES: u64 = 300;

/// Numbers in no order, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// A login, and everything the protocol has.
fn conversation() -> Vec<u8> {
    let texts = b"user\0someone\0database\0mine\0client_encoding\0UTF8\0\0";
    let length = u32::try_from(texts.len() + 8).unwrap();
    [
        &length.to_be_bytes()[..],
        &196_608_u32.to_be_bytes(),
        texts,
        &message(b'Q', b"SELECT 1\0"),
        &parse("a", "SELECT $1::text"),
        &bind("", "a", &["x"]),
        &execute("", 0),
        &sync(),
        &message(b'Q', b"BEGIN\0"),
        &message(b'Q', b"COPY (SELECT 1) TO STDOUT\0"),
        &message(b'Q', b"COMMIT\0"),
        &message(b'C', b"Sa\0"),
        &sync(),
        &message(b'X', b""),
    ]
    .concat()
}

#[test]
fn whatever_clients_send_the_next_one_is_answered() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    for case in 0..CASES {
        let mut dice = Dice(case);
        let mut bytes = conversation();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len());
            match dice.roll(4) {
                0 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
                1 => bytes.insert(at, u8::try_from(dice.roll(256)).unwrap()),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let mut client = TcpStream::connect(("127.0.0.1", pooler.port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // The pooler may close before it has read everything.
        let _ = client.write_all(&bytes);
        let _ = client.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let end = client.read_to_end(&mut answer).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "case {case} is never answered");
        if case % 10 == 0 {
            assert_eq!(pooler.connect().column("SELECT 'mine'"), ["mine"], "after case {case}");
        }
    }
    pooler.settle();
    assert_eq!(pooler.count(|counters| &counters.protocol_mismatches), 0);
}

/// Nothing is waited for and nothing is reserved, whatever a length promises.
#[test]
fn a_length_that_cannot_be_ends_the_session_for_every_kind_of_message() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    for (kinds, length) in [("BCDEFHPQScdfpX", 0x7fff_ffff), ("CDEHScfX", 10_001_u32), ("BCDEFHPQScdfX", 3)] {
        for kind in kinds.bytes() {
            for in_transaction in [false, true] {
                let mut client = pooler.connect();
                if in_transaction {
                    client.query("BEGIN");
                }
                client.raw(&[&[kind][..], &length.to_be_bytes()].concat());
                let reply = client.read();
                let what = format!("{} of {length}", char::from(kind));
                assert_eq!((reply.code(), reply.status), ("08P01", 'X'), "{what}");
            }
        }
    }
    assert_eq!(pooler.connect().column("SELECT 'mine'"), ["mine"]);
}

/// A statement may be long, but not for longer than a statement may take.
#[test]
fn a_message_that_never_ends_is_held_to_the_limit_of_a_statement() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = 1;
        wishes.pool.statement_timeout = Some(Duration::from_millis(100));
    });
    for start in [
        &b"Q\x3f\xff\xff\xffSELECT "[..],
        b"P\x3f\xff\xff\xff\0SELECT ",
        b"F\x3f\xff\xff\xff\0\0",
        b"B\x3f\xff\xff\xff\0\0\0\0",
    ] {
        let mut client = pooler.connect();
        client.send(b'P', b"\0SELECT 1\0\0\0");
        client.raw(start);
        let kinds: String =
            std::iter::from_fn(|| client.read_one()).map(|(kind, _)| char::from(kind)).collect();
        assert!(kinds.ends_with('E'), "{kinds}");
        assert_eq!(pooler.connect().column("SELECT 'mine'"), ["mine"]);
    }
}
