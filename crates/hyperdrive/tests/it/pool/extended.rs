use crate::support::{Pooler, Postgres, Wire, message};

/// The messages of the extended protocol, to be put together.
pub(super) fn parse(name: &str, sql: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

pub(super) fn bind(portal: &str, name: &str, values: &[&str]) -> Vec<u8> {
    let mut body = format!("{portal}\0{name}\0").into_bytes();
    body.extend_from_slice(&[0, 0]);
    body.extend_from_slice(&u16::try_from(values.len()).unwrap().to_be_bytes());
    for value in values {
        body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    body.extend_from_slice(&[0, 0]);
    message(b'B', &body)
}

pub(super) fn execute(portal: &str, rows: u32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat())
}

pub(super) fn describe(kind: char, name: &str) -> Vec<u8> {
    message(b'D', format!("{kind}{name}\0").as_bytes())
}

pub(super) fn close(kind: char, name: &str) -> Vec<u8> {
    message(b'C', format!("{kind}{name}\0").as_bytes())
}

pub(super) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub(super) fn flush() -> Vec<u8> {
    message(b'H', b"")
}

pub(super) fn go(wire: &mut Wire, messages: &[Vec<u8>]) {
    wire.raw(&messages.concat());
}

fn one_row(value: &str) -> Vec<Vec<Option<String>>> {
    vec![vec![Some(value.to_owned())]]
}

#[test]
fn an_extended_query_is_answered_message_by_message() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    go(
        &mut wire,
        &[
            parse("", "SELECT $1::int + 1"),
            describe('S', ""),
            bind("", "", &["41"]),
            describe('P', ""),
            execute("", 0),
            sync(),
        ],
    );
    let reply = wire.read();
    assert_eq!((reply.kinds.as_str(), reply.rows), ("1tT2TDCZ", one_row("42")));
    go(&mut wire, &[sync()]);
    assert_eq!(wire.read().kinds, "Z");
    go(&mut wire, &[close('S', "nobody"), close('P', ""), sync()]);
    assert_eq!(wire.read().kinds, "33Z");
}

#[test]
fn several_syncs_in_flight_are_each_answered_whatever_fails_between_them() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut wire = pooler.connect();
    let query = |sql: &str| [parse("", sql), bind("", "", &[]), execute("", 0), sync()].concat();
    let sqls = ["SELECT 1", "SELECT 1/0", "SELEC", "SELECT 2", "LISTEN x", "SELECT 3"];
    let bytes: Vec<u8> = sqls.iter().flat_map(|sql| query(sql)).collect();
    wire.raw(&bytes);
    let replies: Vec<_> = sqls.iter().map(|_| wire.read()).collect();
    let kinds: Vec<_> = replies.iter().map(|r| r.kinds.as_str()).collect();
    assert_eq!(kinds, ["12DCZ", "1EZ", "EZ", "12DCZ", "EZ", "12DCZ"]);
    let codes: Vec<_> = replies.iter().map(crate::support::Reply::code).collect();
    assert_eq!(codes, ["", "22012", "42601", "", "0A000", ""]);
    assert_eq!(replies[5].rows, one_row("3"));
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}

#[test]
fn after_an_error_everything_to_the_sync_is_ignored_even_if_it_comes_later() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    go(&mut wire, &[parse("", "SELECT 1/0"), bind("", "", &[]), execute("", 0), flush()]);
    let reply = wire.read_to(b'E');
    assert_eq!(reply.code(), "22012");
    go(
        &mut wire,
        &[parse("s", "SELECT 1"), bind("", "s", &[]), execute("", 0), message(b'Q', b"SELECT 5\0")],
    );
    go(&mut wire, &[sync()]);
    assert_eq!(wire.read().kinds, "Z");
    // It was ignored, so the name is free.
    go(&mut wire, &[parse("s", "SELECT 2"), bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(wire.read().rows, one_row("2"));
    // The same with an error of ours, with no connection in use.
    go(&mut wire, &[parse("", "LISTEN x"), parse("t", "SELECT 1"), bind("", "t", &[]), sync()]);
    assert_eq!(wire.read().kinds, "EZ");
    go(&mut wire, &[parse("t", "SELECT 3"), bind("", "t", &[]), execute("", 0), sync()]);
    assert_eq!(wire.read().rows, one_row("3"));
}

#[test]
fn portals_live_as_long_as_their_transaction() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.query("BEGIN");
    go(&mut wire, &[parse("", "SELECT generate_series(1, 5)"), bind("p", "", &[]), execute("p", 2), flush()]);
    let first = wire.read_to(b's');
    assert_eq!((first.kinds.as_str(), first.rows.len()), ("12DDs", 2));
    go(&mut wire, &[execute("p", 2), sync()]);
    assert_eq!(wire.read().kinds, "DDsZ");
    go(&mut wire, &[execute("p", 0), close('P', "p"), sync()]);
    assert_eq!(wire.read().kinds, "DC3Z");
    wire.query("COMMIT");
    go(&mut wire, &[execute("p", 0), sync()]);
    assert_eq!(wire.read().code(), "34000");
}

#[test]
fn a_batch_in_pieces_holds_its_connection_to_the_sync() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    go(&mut wire, &[parse("", "SELECT $1::text"), describe('S', ""), flush()]);
    assert_eq!(wire.read_to(b'T').kinds, "1tT");
    assert_eq!(pooler.server.pool().status().active, 1);
    go(&mut wire, &[bind("", "", &["a"]), execute("", 0)]);
    go(&mut wire, &[sync()]);
    assert_eq!(wire.read().rows, one_row("a"));
    pooler.settle();
}

#[test]
fn a_long_parameter_and_a_long_text_pass() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut wire = pooler.connect();
    let long = "z".repeat(2_000_000);
    for name in ["", "named"] {
        go(
            &mut wire,
            &[parse(name, "SELECT length($1), md5($1)"), bind("", name, &[&long]), execute("", 0), sync()],
        );
        assert_eq!(wire.read().rows[0][0], Some("2000000".to_owned()));
        let text = format!("SELECT length('{long}')");
        let name = format!("{name}2");
        go(&mut wire, &[parse(&name, &text), bind("", &name, &[]), execute("", 0), sync()]);
        assert_eq!(wire.read().rows, one_row("2000000"));
    }
    go(
        &mut wire,
        &[parse("", &format!("SELECT length('{long}')")), bind("", "", &[]), execute("", 0), sync()],
    );
    assert_eq!(wire.read().rows, one_row("2000000"));
    // Too long to be kept, it is gone with its connection.
    go(&mut wire, &[bind("", "", &[]), execute("", 0), sync()]);
    assert_eq!(wire.read().code(), "26000");
}

#[test]
fn a_function_call_is_answered() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    let oid: u32 = wire.column("SELECT 'pg_catalog.int4pl(int,int)'::regprocedure::oid")[0].parse().unwrap();
    let body =
        [&oid.to_be_bytes()[..], &[0, 0, 0, 2, 0, 0, 0, 1], b"2", &[0, 0, 0, 1], b"3", &[0, 0]].concat();
    wire.send(b'F', &body);
    let reply = wire.read();
    assert_eq!((reply.kinds.as_str(), reply.code()), ("VZ", ""));
    assert!(reply.bytes.ends_with(b"\0\x015"));
}
