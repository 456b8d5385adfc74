use std::time::Duration;

use super::extended::{bind, execute, go, parse, sync};
use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres, Wire, message};

fn cancel(port: u16, key: &[u8]) {
    let mut wire = Wire::open(port);
    let length = u32::try_from(8 + key.len()).unwrap();
    wire.raw(&[&length.to_be_bytes(), &80_877_102_u32.to_be_bytes(), key].concat());
    assert_eq!(wire.rest(), b"");
}

/// Waits until a query with this text runs on the server.
fn runs(server: &Postgres, text: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{text}%'"
    );
    for _ in 0..1000 {
        if server.connect("postgres").column(&sql) != ["0"] {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{text} never ran");
}

#[test]
fn cancelling_stops_ones_own_query_and_nobody_elses() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    one.send(b'Q', b"SELECT pg_sleep(100) /* cancelled */\0");
    runs(&server, "/* cancelled */");
    cancel(pooler.port, &two.key);
    let mut wrong = one.key.clone();
    wrong[5] ^= 1;
    cancel(pooler.port, &wrong);
    assert_eq!(two.column("SELECT 1"), ["1"]);
    let key = one.key.clone();
    cancel(pooler.port, &key);
    let reply = one.read();
    assert_eq!((reply.code(), reply.status), ("57014", 'I'));
    assert_eq!(one.column("SELECT 1"), ["1"]);
    // With nothing to stop nothing happens, to anybody.
    for _ in 0..20 {
        cancel(pooler.port, &key);
        assert_eq!(two.column("SELECT 2"), ["2"]);
    }
    assert_eq!(pooler.count(|c| &c.cancels), 22);
}

#[test]
fn a_client_that_waits_for_a_connection_can_cancel_that() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    one.query("BEGIN");
    two.send(b'Q', b"SELECT 1\0");
    wait_until(|| pooler.server.pool().status().waiting == 1);
    cancel(pooler.port, &two.key.clone());
    let reply = two.read();
    assert_eq!((reply.code(), reply.status), ("57014", 'I'));
    one.query("COMMIT");
    assert_eq!(two.column("SELECT 1"), ["1"]);
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing_to_the_next() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    // With rows on their way; with a query running; in a transaction; with half a message sent; while it waits.
    let mut wire = pooler.connect();
    wire.send(b'Q', b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)\0");
    wire.read_one();
    drop(wire);
    assert_eq!(pooler.connect().column("SELECT 'a'"), ["a"]);

    let mut wire = pooler.connect();
    wire.send(b'Q', b"SELECT pg_sleep(100) /* left */\0");
    runs(&server, "/* left */");
    drop(wire);
    assert_eq!(pooler.connect().column("SELECT 'b'"), ["b"]);
    // Nobody waits for it, so it does not run on.
    let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%/* left */%' AND pid <> pg_backend_pid() AND state = 'active'";
    wait_until(|| server.connect("postgres").column(count) == ["0"]);

    let mut wire = pooler.connect();
    wire.query("BEGIN");
    drop(wire);
    assert_eq!(pooler.connect().column("SELECT 'c'"), ["c"]);

    let mut wire = pooler.connect();
    let long = message(b'Q', format!("SELECT '{}'\0", "x".repeat(2_000_000)).as_bytes());
    wire.raw(&long[..1_000_000]);
    wait_until(|| pooler.server.pool().status().active == 1);
    drop(wire);
    assert_eq!(pooler.connect().column("SELECT 'd'"), ["d"]);

    let mut holder = pooler.connect();
    holder.query("BEGIN");
    let mut wire = pooler.connect();
    wire.send(b'Q', b"SELECT 1\0");
    wait_until(|| pooler.server.pool().status().waiting == 1);
    drop(wire);
    wait_until(|| pooler.server.pool().status().waiting == 0);
    holder.query("COMMIT");
    assert_eq!(holder.column("SELECT 'e'"), ["e"]);
    assert_eq!(pooler.count(|c| &c.connections_discarded), 4);
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}

#[test]
fn who_says_goodbye_still_gets_done_what_was_asked() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.query("DROP TABLE IF EXISTS farewell; CREATE TABLE farewell (a int)");
    wire.raw(
        &[message(b'Q', b"INSERT INTO farewell SELECT 1 FROM pg_sleep(0.2)\0"), message(b'X', b"")].concat(),
    );
    wire.rest();
    assert_eq!(pooler.connect().column("SELECT count(*) FROM farewell"), ["1"]);
    pooler.connect().query("DROP TABLE farewell");
    assert_eq!(pooler.count(|c| &c.connections_opened), 1);
}

#[test]
fn a_connection_that_the_server_ends_takes_one_request_with_it_and_no_more() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.send(b'Q', b"SELECT pg_sleep(100) /* ended */\0");
    runs(&server, "/* ended */");
    let mut admin = server.connect("postgres");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* ended */%' AND pid <> pg_backend_pid()";
    admin.query(end);
    let reply = wire.read();
    assert_eq!((reply.code(), reply.status), ("57P01", 'X'), "the server's own words");
    let mut wire = pooler.connect();
    assert_eq!(wire.column("SELECT 1"), ["1"]);
    // While nobody uses it nobody notices.
    let pid = wire.column("SELECT pg_backend_pid()");
    pooler.settle();
    admin.query(&format!("SELECT pg_terminate_backend({}, 5000)", pid[0]));
    assert_ne!(wire.column("SELECT pg_backend_pid()"), pid);
}

#[test]
fn after_a_crash_of_the_server_clients_wait_and_are_served() {
    let Some(server) = Postgres::own() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = 3;
        wishes.pool.acquire_timeout = Duration::from_mins(1);
    });
    let (mut idle, mut busy) = (pooler.connect(), pooler.connect());
    assert_eq!(idle.column("SELECT 1"), ["1"]);
    busy.query("BEGIN");
    server.stop();
    let reply = busy.query("SELECT 1");
    assert!(matches!(reply.code(), "57P01" | "57P02" | "08006"), "{reply:?}");
    assert_eq!(reply.status, 'X');
    idle.send(b'Q', b"SELECT 2\0");
    wait_until(|| pooler.server.pool().status().waiting == 1);
    let mut new = pooler.connect();
    new.send(b'Q', b"SELECT 3\0");
    wait_until(|| pooler.count(|c| &c.connects_failed) >= 2);
    server.start_again();
    let reply = idle.read();
    assert_eq!(reply.rows, [[Some("2".to_owned())]], "{reply:?}");
    assert_eq!(new.read().rows, [[Some("3".to_owned())]]);
}

#[test]
fn a_statement_that_takes_too_long_is_cancelled() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.statement_timeout = Some(Duration::from_millis(300));
        wishes.pool.idle_transaction_timeout = Some(Duration::from_millis(300));
    });
    let mut wire = pooler.connect();
    let reply = wire.query("SELECT pg_sleep(100)");
    assert_eq!((reply.code(), reply.status), ("57014", 'I'));
    assert_eq!(reply.error.unwrap().1, "canceling statement due to statement timeout");
    go(&mut wire, &[parse("", "SELECT pg_sleep(100)"), bind("", "", &[]), execute("", 0), sync()]);
    let reply = wire.read();
    assert_eq!((reply.code(), reply.status), ("57014", 'I'));
    assert_eq!(wire.column("SELECT 1"), ["1"]);
    assert_eq!(wire.query("BEGIN").status, 'T');
    let reply = wire.read();
    assert_eq!((reply.code(), reply.status), ("25P03", 'X'));
    assert_eq!(pooler.count(|c| &c.statement_timeouts), 2);
    assert_eq!(pooler.count(|c| &c.idle_transaction_timeouts), 1);
    assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
}

#[test]
fn when_no_connection_becomes_free_the_client_is_told() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = 1;
        wishes.pool.max_waiting = 1;
        wishes.pool.acquire_timeout = Duration::from_secs(2);
    });
    let (mut one, mut two, mut three) = (pooler.connect(), pooler.connect(), pooler.connect());
    one.query("BEGIN");
    two.raw(&[parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()].concat());
    wait_until(|| pooler.server.pool().status().waiting == 1);
    let refused = three.query("SELECT 1");
    assert_eq!((refused.code(), refused.status), ("58000", 'I'), "the queue is full");
    assert_eq!(refused.error.unwrap().1, "Failed to acquire a connection from the pool.");
    let late = two.read();
    assert_eq!((late.kinds.as_str(), late.code()), ("EZ", "58000"));
    assert_eq!(one.query("COMMIT").status, 'I');
    assert_eq!(two.column("SELECT 1"), ["1"]);
}
