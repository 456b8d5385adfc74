//! Origins that say more than anybody asked for. Each is let go of before it has filled the memory or shifted an answer.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use selvedge_hyperdrive::postgres::Reset;

use crate::support::pooler::wait_until;
use crate::support::{Pooler, message};

/// What an origin is allowed to say in vain.
const PATIENCE: u64 = 150_000_000;

const LOGGED_IN: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
const DONE: &[u8] = b"C\0\0\0\x08SET\0Z\0\0\0\x05I";

/// How often an origin says what, before it goes on as it should.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endless {
    AtLogin,
    InAnswerTo(&'static [u8]),
}

/// A server that repeats itself without end, once. Counts what it has said until nobody listened any more.
fn origin(endless: Endless, what: fn(u64) -> Vec<u8>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
    let said = Arc::<AtomicU64>::default();
    let saying = Arc::clone(&said);
    std::thread::spawn(move || {
        let mut again = true;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let Some(told) = converse(stream, endless, what, &mut again) else { continue };
            saying.fetch_add(told, Ordering::SeqCst);
        }
    });
    (address, said)
}

/// `None` when the other side has gone, and how much it was told if it was told without end.
fn converse(
    mut stream: TcpStream,
    endless: Endless,
    what: fn(u64) -> Vec<u8>,
    again: &mut bool,
) -> Option<u64> {
    packet(&mut stream)?;
    if endless == Endless::AtLogin && std::mem::take(again) {
        stream.write_all(&LOGGED_IN[..9]).ok()?;
        return Some(repeat(&mut stream, what));
    }
    stream.write_all(LOGGED_IN).ok()?;
    loop {
        let body = request(&mut stream)?;
        if matches!(endless, Endless::InAnswerTo(sql) if body.starts_with(sql)) && std::mem::take(again) {
            return Some(repeat(&mut stream, what));
        }
        stream.write_all(DONE).ok()?;
    }
}

/// What follows a length.
fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// A message without its kind.
fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    stream.read_exact(&mut [0]).ok()?;
    packet(stream)
}

fn repeat(stream: &mut TcpStream, what: fn(u64) -> Vec<u8>) -> u64 {
    let mut told = 0;
    for number in 0.. {
        let some = what(number);
        if told > 10 * PATIENCE || stream.write_all(&some).is_err() {
            break;
        }
        told += some.len() as u64;
    }
    told.max(1)
}

fn notice(_: u64) -> Vec<u8> {
    message(b'N', &[b"SNOTICE\0M", vec![b'x'; 100_000].as_slice(), b"\0\0"].concat())
}

fn setting(number: u64) -> Vec<u8> {
    message(b'S', format!("setting_{number}\0{number}\0").as_bytes())
}

#[test]
fn notices_without_end_during_a_reset_end_the_connection() {
    let (address, said) = origin(Endless::InAnswerTo(b"DISCARD"), notice);
    let pooler = Pooler::with(&address, |wishes| {
        wishes.pool.max_connections = 1;
        wishes.config.reset = Reset::Always;
    });
    assert_eq!(pooler.connect().query("SELECT 1").status, 'I');
    // The next one waits for a connection, and gets a new one.
    assert_eq!(pooler.connect().query("SELECT 1").status, 'I');
    wait_until(|| said.load(Ordering::SeqCst) > 0);
    assert!(said.load(Ordering::SeqCst) < PATIENCE, "{said:?} bytes were listened to");
    assert_eq!(pooler.count(|counters| &counters.connections_discarded), 1);
}

#[test]
fn settings_without_end_at_login_are_refused() {
    let (address, said) = origin(Endless::AtLogin, setting);
    let pooler = Pooler::with(&address, |wishes| wishes.pool.max_connections = 1);
    let (_, reply) =
        crate::support::Wire::start(pooler.port, 196_608, &["user", "someone", "database", "mine"]);
    assert_eq!((reply.code(), reply.status), ("58000", 'X'));
    assert!(reply.error.unwrap().1.contains("protocol_error"));
    wait_until(|| said.load(Ordering::SeqCst) > 0);
    assert!(said.load(Ordering::SeqCst) < PATIENCE, "{said:?} bytes were listened to");
}

#[test]
fn settings_without_end_in_an_answer_end_the_connection() {
    let (address, said) = origin(Endless::InAnswerTo(b"SELECT 'endless"), setting);
    let pooler = Pooler::with(&address, |wishes| wishes.pool.max_connections = 1);
    let reply = pooler.connect().query("SELECT 'endless'");
    assert_eq!((reply.code(), reply.status), ("08006", 'X'));
    wait_until(|| said.load(Ordering::SeqCst) > 0);
    assert!(said.load(Ordering::SeqCst) < PATIENCE, "{said:?} bytes were listened to");
    assert_eq!(pooler.count(|counters| &counters.protocol_mismatches), 1);
    assert_eq!(pooler.connect().query("SELECT 1").status, 'I');
}

/// The end of a row comes in one piece with what was not due. The client has the row's start: whatever it is sent now
/// is the rest of that row to it.
#[test]
fn no_error_is_told_inside_of_a_row_that_was_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let row = message(b'D', &[b"\0\x01\0\x01\x86\xa0".to_vec(), vec![b'x'; 100_000]].concat());
    let (start, end) = (row[..50_000].to_vec(), [&row[50_000..], &message(b'k', b"")].concat());
    let (has_start, client_has_start) = mpsc::channel();
    let expected = start.clone();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        packet(&mut stream)?;
        stream.write_all(LOGGED_IN).ok()?;
        while !request(&mut stream)?.starts_with(b"SELECT 'cut'") {
            stream.write_all(DONE).ok()?;
        }
        stream.write_all(&start).ok()?;
        client_has_start.recv().ok()?;
        stream.write_all(&end).ok()
    });
    let address = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
    let pooler = Pooler::with(&address, |wishes| wishes.pool.max_connections = 1);
    let mut client = pooler.connect();
    client.send(b'Q', b"SELECT 'cut'\0");
    let mut got = vec![0; expected.len()];
    client.read_raw(&mut got);
    assert!(got == expected);
    has_start.send(()).unwrap();
    let rest = client.rest();
    assert!(rest.iter().all(|&byte| byte == b'x'), "{:?}", String::from_utf8_lossy(&rest));
    assert_eq!(pooler.count(|counters| &counters.protocol_mismatches), 1);
}
