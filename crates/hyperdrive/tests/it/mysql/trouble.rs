use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MariaDb, Wish, eventually};
use crate::support::execution;

/// How many connections run a statement that has this in its text.
fn running(database: &MariaDb, text: &str) -> usize {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%{text}%' AND info NOT LIKE '%processlist%'"
    );
    database.direct().value(&sql).parse().unwrap()
}

#[test]
fn a_query_is_killed_by_the_number_that_its_client_was_given() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(2).start();
    let (mut slow, mut killer) = (pooled.connect(), pooled.connect());
    slow.send(0, b"\x03SELECT SLEEP(50), 'to be killed'");
    eventually("it runs", || running(&database, "to be killed") == 1);
    killer.ok(&format!("KILL QUERY {}", slow.number));
    let reply = slow.results(false);
    assert!(reply.error.is_none_or(|error| error.0 == 1317), "SLEEP ends early, or with an error");
    assert_eq!(running(&database, "to be killed"), 0);
    for _ in 0..10 {
        assert_eq!((slow.value("SELECT 1"), killer.value("SELECT 1")), ("1".to_owned(), "1".to_owned()));
    }
    assert_eq!(killer.query("KILL 4000000").error.unwrap().0, 1094);
    slow.send(0, b"\x03SELECT SLEEP(50), 'and its client'");
    eventually("it runs", || running(&database, "and its client") == 1);
    killer.ok(&format!("KILL {}", slow.number));
    while slow.try_packet().is_some() {}
    eventually("it is given back", || running(&database, "and its client") == 0 && pooled.active() == 0);
}

#[test]
fn a_client_that_goes_takes_its_query_with_it() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let mut slow = pooled.connect();
    slow.send(0, b"\x03SELECT SLEEP(50), 'left alone'");
    eventually("it runs", || running(&database, "left alone") == 1);
    drop(slow);
    eventually("it is ended", || running(&database, "left alone") == 0);
    assert_eq!(pooled.connect().value("SELECT 1"), "1");
}

#[test]
fn a_statement_that_takes_too_long_is_ended() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.statement_timeout = Some(Duration::from_millis(300));
    let pooled = wish.start();
    let mut client = pooled.connect();
    let reply = client.query("SELECT COUNT(*) FROM seq_1_to_1000000000 WHERE seq % 3 = 1");
    assert_eq!(reply.error.map(|error| error.0), Some(1317));
    assert_eq!(client.value("SELECT 1"), "1");
    let pool = pooled.server.pools().next().unwrap();
    assert_eq!(pool.counters().statement_timeouts.load(Ordering::Relaxed), 1);
}

#[test]
fn what_cannot_be_prepared_again_is_held_to_the_same_limit() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.statement_timeout = Some(Duration::from_millis(300));
    let pooled = wish.start();
    let (mut client, mut reader, mut changer) = (pooled.connect(), database.direct(), database.direct());
    client.ok("CREATE OR REPLACE TABLE locked (a INT) ENGINE = InnoDB");
    let (number, _) = client.prepare("SELECT a FROM locked WHERE a = ?").unwrap();
    let backend = client.value("SELECT CONNECTION_ID()");
    reader.ok(&format!("KILL {backend}"));
    eventually("a new one serves", || client.query("SELECT CONNECTION_ID()").error.is_none());
    // It has to prepare the statement, and nobody can while a change of the table waits.
    reader.ok("BEGIN");
    reader.ok("SELECT * FROM locked");
    changer.send(0, b"\x03ALTER TABLE locked ADD b INT");
    let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE locked%' AND state LIKE 'Waiting%'";
    eventually("it waits", || database.direct().value(waiting) == "1");
    assert_eq!(client.execute(number, &["1"], true).error.map(|error| error.0), Some(3024));
    eventually("nobody waits for the table", || running(&database, "SELECT a FROM locked") == 0);
    // Nor does anybody when its client goes.
    client.send(0, &execution(number, &["1"], true, 0));
    drop(client);
    pooled.all_given_back();
    reader.ok("COMMIT");
    assert_eq!(changer.results(false).error, None);
    assert_eq!(pooled.connect().value("SELECT COUNT(*) FROM locked WHERE RAND() < 2"), "0");
}

#[test]
fn a_transaction_without_a_word_is_ended() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.idle_transaction_timeout = Some(Duration::from_millis(300));
    let pooled = wish.start();
    let mut client = pooled.connect();
    client.ok("BEGIN");
    client.ok("SELECT 1");
    let (packet, _) = client.packet();
    assert_eq!(u16::from_le_bytes([packet[1], packet[2]]), 4031);
    assert_eq!(client.try_packet(), None);
    assert_eq!(pooled.connect().value("SELECT @@in_transaction"), "0");
}

#[test]
fn a_connection_that_the_origin_closes_is_told_and_replaced() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let mut client = pooled.connect();
    let number = client.value("SELECT CONNECTION_ID()");
    database.direct().ok(&format!("KILL {number}"));
    eventually("a new one serves", || client.value("SELECT CONNECTION_ID()") != number);
    // In the middle of a statement its client learns of it, and goes on.
    client.send(0, b"\x03SELECT COUNT(*), 'to be lost' FROM seq_1_to_10000000000 WHERE seq % 3 = 1");
    eventually("it runs", || running(&database, "to be lost") == 1);
    let running = database.direct().value(
        "SELECT id FROM information_schema.processlist WHERE info LIKE '%to be lost%' AND info NOT LIKE '%processlist%'",
    );
    database.direct().ok(&format!("KILL {running}"));
    let error = client.results(false).error.unwrap();
    assert!([1158, 1927, 1317].contains(&error.0), "{error:?}");
    assert_eq!(client.value("SELECT 1"), "1");
    // In a transaction it cannot.
    client.ok("BEGIN");
    let number = client.value("SELECT CONNECTION_ID()");
    database.direct().ok(&format!("KILL {number}"));
    let (packet, _) = client.packet();
    assert_eq!(packet[0], 0xff);
    assert_eq!(client.try_packet(), None);
}

#[test]
fn who_cannot_get_a_connection_is_told_and_may_try_again() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.acquire_timeout = Duration::from_secs(2);
    wish.pool.max_waiting = 1;
    let pooled = wish.start();
    let (mut holder, mut waiter) = (pooled.connect(), pooled.connect());
    holder.ok("BEGIN");
    holder.ok("SELECT COUNT(*) FROM mysql.db");
    let (code, text) = waiter.query("SELECT 1").error.unwrap();
    assert_eq!(code, 1040);
    assert!(text.starts_with("Failed to acquire a connection from the pool."), "{text}");
    holder.ok("COMMIT");
    assert_eq!(waiter.value("SELECT 1"), "1");
}

#[test]
fn values_that_cannot_be_sent_ahead_end_the_session_and_shift_no_answer() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.acquire_timeout = Duration::from_millis(200);
    let pooled = wish.start();
    let (mut holder, mut sender) = (pooled.connect(), pooled.connect());
    let (number, _) = sender.prepare("SELECT ?").unwrap();
    holder.ok("BEGIN");
    holder.ok("SELECT COUNT(*) FROM mysql.db");
    sender.send(0, &[&[0x18], &number.to_le_bytes()[..], b"\0\0value"].concat());
    let (packet, sequence) = sender.packet();
    assert_eq!((packet[0], sequence), (0xff, 1));
    assert_eq!(u16::from_le_bytes([packet[1], packet[2]]), 1040);
    assert_eq!(sender.try_packet(), None, "what is answered next would be another's");
}

#[test]
fn who_does_not_read_holds_no_connection_for_ever() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.pool.idle_transaction_timeout = Some(Duration::from_millis(500));
    let pooled = wish.start();
    let mut client = pooled.connect();
    client.ok("BEGIN");
    client.ok("SELECT COUNT(*) FROM mysql.db");
    // Answers of ours, for as long as they fit; then nothing is read from it either.
    client.stream.set_nonblocking(true).unwrap();
    let many = b"\x0e\0\0\0\x03LOCK TABLES t".repeat(4000);
    let pool = pooled.server.pools().next().unwrap();
    eventually("it is let go", || {
        let _ = client.stream.write(&many);
        pool.status().active == 0
    });
    assert_eq!(pooled.connect().value("SELECT @@in_transaction"), "0");
}

#[test]
fn an_origin_that_restarts_is_waited_for() {
    let Some(database) = MariaDb::start(&[]) else { return };
    let pooled = Wish::to(&database).start();
    let mut client = pooled.connect();
    client.ok("SELECT 1");
    database.restart();
    eventually("it heals", || client.query("SELECT 1").error.is_none());
    assert_eq!(client.value("SELECT 2"), "2");
    assert!(pooled.open() <= 2);
}
