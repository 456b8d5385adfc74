use super::extended::{bind, execute, go, parse, sync};
use crate::support::pooler::wait_until;
use crate::support::{Pooler, Postgres, message};

#[test]
fn in_session_mode_everything_works_and_stays() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::in_session_mode(&server, 2);
    let mut one = pooler.connect();
    let pid = one.column("SELECT pg_backend_pid()");
    for sql in [
        "CREATE TEMP TABLE mine (a int)",
        "PREPARE p AS SELECT 7",
        "SELECT pg_advisory_lock(4711)",
        "SET work_mem = '55MB'",
        "LISTEN news",
    ] {
        assert_eq!(one.query(sql).error, None, "{sql}");
    }
    assert_eq!(one.column("EXECUTE p"), ["7"]);
    assert_eq!(one.column("SHOW work_mem"), ["55MB"]);
    assert_eq!(one.column("SELECT count(*) FROM mine"), ["0"]);
    go(&mut one, &[parse("s", "SELECT 8"), sync()]);
    assert_eq!(one.read().kinds, "1Z");
    go(&mut one, &[bind("", "s", &[]), execute("", 0), sync()]);
    assert_eq!(one.read().kinds, "2DCZ");
    assert_eq!(one.column("SELECT pg_backend_pid()"), pid);
    // Something that nobody asked for at the time.
    server.connect("postgres").query("NOTIFY news, 'hello'");
    let (kind, body) = one.read_one().unwrap();
    assert!(kind == b'A' && body.ends_with(b"news\0hello\0"));

    one.raw(&message(b'X', b""));
    pooler.settle();
    let mut two = pooler.connect();
    assert_eq!(two.column("SELECT pg_backend_pid()"), pid, "the same connection");
    assert_eq!(two.query("SELECT * FROM mine").code(), "42P01");
    assert_eq!(two.query("EXECUTE p").code(), "26000");
    assert_ne!(two.column("SHOW work_mem"), ["55MB"]);
    assert_eq!(two.column("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), ["0"]);
    assert_eq!(two.column("SELECT count(*) FROM pg_listening_channels()"), ["0"]);
    go(&mut two, &[bind("", "s", &[]), sync()]);
    assert_eq!(two.read().code(), "26000");
}

#[test]
fn a_session_holds_its_connection_until_the_client_goes() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::in_session_mode(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    assert_eq!(one.column("SELECT 1"), ["1"]);
    two.send(b'Q', b"SELECT 2\0");
    wait_until(|| pooler.server.pool().status().waiting == 1);
    drop(one);
    assert_eq!(two.read().rows, [[Some("2".to_owned())]]);
    two.query("BEGIN");
    drop(two);
    let mut three = pooler.connect();
    assert_eq!(three.query("SELECT 3").status, 'I');
}
