use std::sync::Arc;

use proptest::prelude::*;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::super::cancel::{BackendKey, Destination};
use super::super::params::ParamTable;
use super::super::statements::StatementTable;
use super::*;
use crate::net::Socket;

/// A connection on which a query and an extended query are due, and one of ours between them.
fn busy(runtime: &Runtime) -> Backend {
    let _inside = runtime.enter();
    let (near, _) = UnixStream::pair().unwrap();
    let destination =
        Destination { host: "/nonexistent".to_owned(), port: 0, tls: None, tls_is_optional: false };
    let (table, key) = (Arc::new(ParamTable::default()), BackendKey::new(Arc::new(destination), None));
    let params = table.intern([]);
    let mut backend = Backend::new(Socket::Unix(near), Arc::new(key), params.clone(), params, table);
    let statement = StatementTable::default().intern(b"SELECT 1\0\0\0", crate::postgres::sql::Effects::NONE);
    for expect in [
        Expect::Query,
        Expect::Internal,
        Expect::Parse { statement: Arc::clone(&statement), name: None, hidden: true },
        Expect::FakeParse { statement: Arc::clone(&statement), name: b"theirs"[..].into() },
        Expect::Bind(Some(statement)),
        Expect::Describe,
        Expect::Execute,
        Expect::Sync,
    ] {
        backend.expect(expect);
    }
    backend
}

/// What answers that, and what of it the client gets.
fn answers() -> (Vec<u8>, Vec<u8>) {
    let rows = [
        &b"T\0\0\0\x06\0\0"[..],
        b"D\0\0\0\x0b\0\x01\0\0\0\x01x",
        b"D\0\0\0\x0b\0\x01\0\0\0\x01y",
        b"C\0\0\0\x0dSELECT 2\0",
    ]
    .concat();
    let ready = b"Z\0\0\0\x05I";
    let notice = b"N\0\0\0\x0dSNOTICE\0\0";
    let (parsed, bound) = (b"1\0\0\0\x04", b"2\0\0\0\x04");
    let hidden = [&b"S\0\0\0\x11TimeZone\0CET\0"[..], b"C\0\0\0\x08SET\0", ready].concat();
    let from_origin = [&rows[..], notice, ready, &hidden, parsed, bound, &rows, ready].concat();
    let to_client = [&rows[..], notice, ready, parsed, bound, &rows, ready].concat();
    (from_origin, to_client)
}

/// Hands over the bytes in pieces of these lengths, over and over.
fn feed(backend: &mut Backend, bytes: &[u8], pieces: &[usize]) -> Result<Vec<u8>, Surprise> {
    let (mut names, mut heard) = (Names::default(), Heard::default());
    let (mut passed, mut rest) = (Vec::new(), bytes);
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*piece).clamp(1, rest.len()));
        passed.extend_from_slice(backend.hear(now, &mut Vec::new(), &mut names, &mut heard)?);
        rest = later;
    }
    Ok(passed)
}

proptest! {
    /// However an answer is cut, what goes on is the same, and the connection is at rest after it and not before.
    #[test]
    fn pieces_of_any_length_make_the_same_answer(pieces in proptest::collection::vec(1..40_usize, 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (from_origin, to_client) = answers();
        let mut backend = busy(&runtime);
        prop_assert_eq!(feed(&mut backend, &from_origin, &pieces), Ok(to_client));
        prop_assert!(backend.is_at_rest());
        let mut backend = busy(&runtime);
        prop_assert!(feed(&mut backend, &from_origin[..from_origin.len() - 1], &pieces).is_ok());
        prop_assert!(!backend.is_at_rest());
    }

    /// Nothing an origin sends makes the reader panic, hold more than it may, or depend on how it was cut.
    #[test]
    fn no_bytes_make_it_panic(
        changes in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..3_u8), 1..6),
        pieces in proptest::collection::vec(1..40_usize, 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (mut bytes, _) = answers();
        for (at, byte, change) in changes {
            let at = at % bytes.len();
            match change {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let (mut whole, mut cut) = (busy(&runtime), busy(&runtime));
        let once = feed(&mut whole, &bytes, &[bytes.len()]);
        let in_pieces = feed(&mut cut, &bytes, &pieces);
        prop_assert!(cut.partial.len() <= LONGEST_SHORT);
        prop_assert_eq!(once.is_err(), in_pieces.is_err());
        if let (Ok(once), Ok(in_pieces)) = (once, in_pieces) {
            prop_assert_eq!(once, in_pieces);
            prop_assert_eq!(whole.is_at_rest(), cut.is_at_rest());
        }
    }
}
