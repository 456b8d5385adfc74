use super::extended::{bind, execute, go, parse, sync};
use crate::support::{Pooler, Postgres, message};

fn data(text: &str) -> Vec<u8> {
    message(b'd', text.as_bytes())
}

fn done() -> Vec<u8> {
    message(b'c', b"")
}

#[test]
fn rows_are_copied_in_and_out() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut wire = pooler.connect();
    wire.query("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int, b text)");
    wire.send(b'Q', b"COPY copied FROM STDIN\0");
    assert_eq!(wire.read_to(b'G').kinds, "G");
    for chunk in 0..200 {
        let row = |i| format!("{}\t{}\n", chunk * 100 + i, "b".repeat(50));
        wire.raw(&data(&(0..100).map(row).collect::<Vec<_>>().concat()));
    }
    wire.raw(&done());
    let reply = wire.read();
    assert_eq!((reply.kinds.as_str(), reply.tag.as_str()), ("CZ", "COPY 20000"));
    let reply = wire.query("COPY copied TO STDOUT");
    assert_eq!(reply.tag, "COPY 20000");
    assert_eq!(reply.kinds.matches('d').count(), 20_000);
    assert!(reply.kinds.starts_with('H') && reply.kinds.ends_with("cCZ"));
    wire.query("DROP TABLE copied");
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}

#[test]
fn a_copy_that_fails_on_either_side_ends_as_usual() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.query("DROP TABLE IF EXISTS miscopied; CREATE TABLE miscopied (a int)");
    // The client gives up.
    wire.send(b'Q', b"COPY miscopied FROM STDIN\0");
    wire.read_to(b'G');
    go(&mut wire, &[data("1\n"), message(b'f', b"enough\0")]);
    assert_eq!(wire.read().code(), "57014");
    // The server does, while the client goes on.
    wire.send(b'Q', b"COPY miscopied FROM STDIN\0");
    wire.read_to(b'G');
    go(&mut wire, &[data("1\n"), data("no number\n"), data("2\n"), done()]);
    assert_eq!(wire.read().code(), "22P02");
    assert_eq!(wire.column("SELECT count(*) FROM miscopied"), ["0"]);
    // The end of a COPY that never began is nobody's.
    go(&mut wire, &[message(b'Q', b"SELECT 1\0"), done(), data("x"), message(b'Q', b"SELECT 2\0")]);
    assert_eq!(wire.read().kinds, "TDCZ");
    assert_eq!(wire.read().kinds, "TDCZ");
    wire.query("DROP TABLE miscopied");
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}

#[test]
fn syncs_around_a_copy_in_an_extended_query_are_counted_as_the_server_counts_them() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.query("DROP TABLE IF EXISTS extended_copy; CREATE TABLE extended_copy (a int)");
    let copy = || [parse("", "COPY extended_copy FROM STDIN"), bind("", "", &[]), execute("", 0)].concat();
    // As libpq does it: a Sync behind the Execute, which the server ignores, and one behind the rows.
    go(&mut wire, &[copy(), sync()]);
    assert_eq!(wire.read_to(b'G').kinds, "12G");
    go(&mut wire, &[data("1\n"), done(), sync()]);
    assert_eq!(wire.read().kinds, "CZ");
    // Without waiting for anything, then something else.
    go(&mut wire, &[copy(), data("2\n"), done(), sync(), message(b'Q', b"SELECT 5\0")]);
    assert_eq!(wire.read().kinds, "12GCZ");
    assert_eq!(wire.read().kinds, "TDCZ");
    // With an error in the rows.
    go(&mut wire, &[copy(), sync()]);
    wire.read_to(b'G');
    go(&mut wire, &[data("x\n"), data("3\n"), done(), sync()]);
    assert_eq!(wire.read().kinds, "EZ");
    assert_eq!(wire.column("SELECT sum(a) FROM extended_copy"), ["3"]);
    wire.query("DROP TABLE extended_copy");
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
    assert_eq!(pooler.count(|c| &c.connections_discarded), 0);
}
