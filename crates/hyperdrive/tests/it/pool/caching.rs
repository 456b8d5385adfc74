use std::sync::Arc;
use std::time::Duration;

use selvedge_base::{ManualClock, Millis};
use selvedge_hyperdrive::cache::{CacheCounters, CacheSettings, CacheStore, QueryCache};

use super::extended::{bind, describe, execute, go, parse, sync};
use crate::support::pooler::{origin, wait_until};
use crate::support::{Pooler, Postgres, Reply, Wire, message};

fn caching(server: &Postgres, connections: usize) -> (Pooler, Arc<ManualClock>) {
    let clock = ManualClock::at(Millis(1_000_000));
    let pooler = Pooler::with(&origin(server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = connections;
        wishes.clock = clock.clone();
        let store = CacheStore::new(100 << 20, clock.clone());
        wishes.cache = Some(QueryCache::new(store, CacheSettings::default()));
    });
    // What nobody has read in the catalogs is not cached; that is read when first needed.
    wait_until(|| {
        pooler.connect().query("SELECT 'warm up'");
        counters(&pooler).hit > 0
    });
    (pooler, clock)
}

fn counters(pooler: &Pooler) -> CacheCounters {
    pooler.server.cache().unwrap().counters()
}

/// What `ask` changes in the counters of hits, misses and what is not cacheable.
fn counted<T>(pooler: &Pooler, ask: impl FnOnce() -> T) -> ((u64, u64, u64), T) {
    let before = counters(pooler);
    let result = ask();
    let after = counters(pooler);
    let change = (after.hit - before.hit, after.miss - before.miss, after.uncacheable - before.uncacheable);
    (change, result)
}

const HIT: (u64, u64, u64) = (1, 0, 0);
const MISS: (u64, u64, u64) = (0, 1, 0);
const UNCACHEABLE: (u64, u64, u64) = (0, 0, 1);

#[test]
fn a_repeated_read_is_answered_byte_for_byte_as_the_origin_did() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 2);
    let mut admin = server.connect("postgres");
    admin.query("DROP TABLE IF EXISTS kept; CREATE TABLE kept (a int, b text)");
    admin.query("INSERT INTO kept SELECT i, repeat('x', i % 100) FROM generate_series(1, 2000) AS i");
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    for sql in
        ["SELECT * FROM kept ORDER BY a", "SELECT a FROM kept WHERE a = 7", "SELECT a FROM kept WHERE false"]
    {
        let direct = admin.query(sql);
        assert_eq!(counted(&pooler, || one.query(sql)), (MISS, direct.clone()), "{sql}");
        assert_eq!(counted(&pooler, || two.query(sql)), (HIT, direct.clone()), "{sql}");
        let commented = sql.replace("SELECT", "SELECT /* NOW() */");
        assert_eq!(counted(&pooler, || two.query(&commented)), (HIT, direct), "{sql}");
    }
    admin.query("DELETE FROM kept");
    assert_eq!(one.column("SELECT a FROM kept WHERE a = 7"), ["7"], "writes do not clear the cache");
    admin.query("DROP TABLE kept");
}

#[test]
fn a_client_that_does_not_read_is_not_answered_ahead() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 2);
    let sql = "SELECT repeat('x', 4000000)";
    let mut client = pooler.connect();
    let whole = client.query(sql);
    let before = counters(&pooler).hit;
    client.raw(&message(b'Q', &[sql.as_bytes(), b"\0"].concat()).repeat(100));
    let mut answered = 0;
    wait_until(|| counters(&pooler).hit > before);
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = counters(&pooler).hit - before;
        if now == answered {
            break;
        }
        answered = now;
    }
    assert!(answered < 20, "{answered} answers of 4 MB wait for somebody who does not read");
    for _ in 0..100 {
        assert!(client.read() == whole);
    }
    assert_eq!(counters(&pooler).hit - before, 100);
}

fn extended(wire: &mut Wire, name: &str, sql: Option<&str>, value: &str, described: bool) -> Reply {
    let mut messages = Vec::new();
    messages.extend(sql.map(|sql| parse(name, sql)));
    messages.push(bind("", name, &[value]));
    messages.extend(described.then(|| describe('P', "")));
    messages.extend([execute("", 0), sync()]);
    go(wire, &messages);
    wire.read()
}

/// Sends each part when the pooler has read the one before.
fn in_pieces(pooler: &Pooler, wire: &mut Wire, parts: &[Vec<u8>]) {
    for part in parts {
        let read = || pooler.count(|counters| &counters.bytes_from_clients);
        let before = read();
        wire.raw(part);
        wait_until(|| read() == before + part.len() as u64);
    }
}

#[test]
fn a_request_that_comes_in_pieces_is_kept_like_another() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 1);
    let mut client = pooler.connect();
    let sql = "SELECT $1::text || ' in pieces'";
    let parts = [parse("", sql), bind("", "", &["x"]), describe('P', ""), execute("", 0), sync()];
    let mut ask = |parts: &[Vec<u8>]| {
        counted(&pooler, || {
            in_pieces(&pooler, &mut client, parts);
            client.read()
        })
    };
    let (change, answer) = ask(&parts);
    assert_eq!((change, answer.rows.len()), (MISS, 1));
    assert_eq!(ask(&parts), (HIT, answer.clone()));
    // Cut inside of a message.
    let bytes = parts.concat();
    assert_eq!(ask(&[bytes[..3].to_vec(), bytes[3..60].to_vec(), bytes[60..].to_vec()]), (HIT, answer));
    // Who wants an answer before the end gets one.
    in_pieces(&pooler, &mut client, &[parse("", sql), bind("", "", &["y"]), message(b'H', b"")]);
    assert_eq!(client.read_to(b'2').kinds, "12");
    in_pieces(&pooler, &mut client, &[execute("", 0), sync()]);
    assert_eq!(client.read().rows, [[Some("y in pieces".to_owned())]]);
}

#[test]
fn extended_queries_are_kept_by_their_values_and_by_what_is_asked_about_them() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 2);
    let mut direct = server.connect("postgres");
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    let sql = "SELECT $1::text AS x, n FROM (VALUES ('int4', 23)) AS t (name, n)".to_owned();
    for described in [true, false] {
        for value in ["a", "b"] {
            let answer = extended(&mut direct, "", Some(&sql), value, described);
            let ask = |wire: &mut Wire| extended(wire, "", Some(&sql), value, described);
            assert_eq!(counted(&pooler, || ask(&mut one)), (MISS, answer.clone()));
            assert_eq!(counted(&pooler, || ask(&mut two)), (HIT, answer.clone()));
        }
    }
    // A name changes nothing, and is the client's from then on.
    let (change, named) = counted(&pooler, || extended(&mut one, "n", Some(&sql), "a", true));
    assert_eq!((change, named.kinds.as_str()), (HIT, "12TDCZ"));
    assert_eq!(counted(&pooler, || extended(&mut one, "n", None, "a", true)).0, HIT);
    assert_eq!(counted(&pooler, || extended(&mut one, "n", None, "c", true)).0, MISS);
    go(&mut one, &[parse("n", "SELECT 1"), sync()]);
    assert_eq!(one.read().code(), "42P05");
    // So is the one without.
    assert_eq!(counted(&pooler, || extended(&mut two, "", None, "a", true)).0, HIT);
    go(&mut two, &[describe('S', ""), sync()]);
    assert_eq!(two.read().kinds, "tTZ");
    // In one go with others, each in its place.
    let mut bytes = Vec::new();
    for value in ["a", "new", "a", "b"] {
        bytes.extend(
            [parse("", &sql), bind("", "", &[value]), describe('P', ""), execute("", 0), sync()].concat(),
        );
    }
    one.raw(&bytes);
    for value in ["a", "new", "a", "b"] {
        assert_eq!(one.read().rows[0][0].as_deref(), Some(value));
    }
}

#[test]
fn only_reads_outside_transactions_are_kept() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 2);
    let mut wire = pooler.connect();
    wire.query("DROP TABLE IF EXISTS unkept; CREATE TABLE unkept (a int)");
    for sql in [
        "SELECT random()",
        "SELECT now()",
        "INSERT INTO unkept VALUES (1)",
        "SELECT 1; SELECT 2",
        "TABLE unkept FOR UPDATE",
    ] {
        for _ in 0..2 {
            assert_eq!(counted(&pooler, || wire.query(sql)).0, UNCACHEABLE, "{sql}");
        }
    }
    for sql in ["BEGIN", "SELECT a FROM unkept", "SELECT a FROM unkept", "COMMIT"] {
        assert_eq!(counted(&pooler, || wire.query(sql)).0, UNCACHEABLE, "{sql}");
    }
    assert_eq!(counted(&pooler, || wire.query("SELECT a FROM unkept")).0, MISS);
    // Errors are not kept.
    for _ in 0..2 {
        let (change, reply) = counted(&pooler, || wire.query("SELECT 1 / 0 FROM unkept"));
        assert_eq!((change, reply.code()), (MISS, "22012"));
    }
    wire.query("DROP TABLE unkept");
}

#[test]
fn clients_with_other_settings_have_answers_of_their_own() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 1);
    let sql = "SELECT x FROM (VALUES (timestamptz '2026-01-01 00:00:00Z')) AS t (x)";
    let mut utc = pooler.connect_with(&["TimeZone", "UTC"]);
    let mut tokyo = pooler.connect_with(&["TimeZone", "Asia/Tokyo"]);
    let mut path = pooler.connect_with(&["TimeZone", "UTC", "search_path", "elsewhere"]);
    for _ in 0..2 {
        assert_eq!(utc.column(sql), ["2026-01-01 00:00:00+00"]);
        assert_eq!(tokyo.column(sql), ["2026-01-01 09:00:00+09"]);
    }
    assert_eq!(counted(&pooler, || path.query(sql)).0, MISS);
    tokyo.query("SET TimeZone = 'UTC'");
    assert_eq!(tokyo.column(sql), ["2026-01-01 00:00:00+00"]);
}

#[test]
fn an_old_answer_is_given_once_more_while_one_client_asks_anew() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, clock) = caching(&server, 2);
    let mut admin = server.connect("postgres");
    admin.query(
        "DROP TABLE IF EXISTS renewed; CREATE TABLE renewed (a text); INSERT INTO renewed VALUES ('old')",
    );
    let mut wire = pooler.connect();
    let simple = "SELECT a FROM renewed";
    let by_value = "SELECT a || $1 FROM renewed";
    assert_eq!(wire.column(simple), ["old"]);
    assert_eq!(extended(&mut wire, "", Some(by_value), "!", true).rows[0][0].as_deref(), Some("old!"));
    admin.query("UPDATE renewed SET a = 'new'");
    clock.advance(59_000);
    assert_eq!(wire.column(simple), ["old"]);
    clock.advance(2_000);
    assert_eq!(wire.column(simple), ["old"], "and somebody asks anew");
    assert_eq!(extended(&mut wire, "", Some(by_value), "!", true).rows[0][0].as_deref(), Some("old!"));
    wait_until(|| pooler.connect().column(simple) == ["new"]);
    wait_until(|| {
        extended(&mut pooler.connect(), "", Some(by_value), "!", true).rows[0][0].as_deref() == Some("new!")
    });
    admin.query("UPDATE renewed SET a = 'newest'");
    clock.advance(80_000);
    assert_eq!(wire.column(simple), ["newest"], "too old to be given at all");
    admin.query("DROP TABLE renewed");
}

#[test]
fn what_is_kept_needs_no_connection() {
    let Some(server) = Postgres::own() else { return };
    let (pooler, _) = caching(&server, 1);
    let mut wire = pooler.connect();
    let large = "SELECT repeat('z', 1000), i FROM generate_series(1, 5000) AS i";
    let rows = wire.query(large);
    assert_eq!(rows.rows.len(), 5000);
    wire.query("BEGIN");
    let mut other = pooler.connect();
    assert_eq!(other.query(large), rows, "all connections are taken");
    wire.query("ROLLBACK");
    server.stop();
    assert_eq!(other.query(large), rows);
    // Sent without waiting, and read slowly.
    let asked: Vec<u8> = (0..20).flat_map(|_| message(b'Q', format!("{large}\0").as_bytes())).collect();
    other.raw(&asked);
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..20 {
        assert_eq!(other.read(), rows);
    }
}

#[test]
fn a_cache_that_is_switched_off_keeps_nothing() {
    let Some(server) = Postgres::shared() else { return };
    let (pooler, _) = caching(&server, 1);
    let mut wire = pooler.connect();
    let off = CacheSettings { enabled: false, ..CacheSettings::default() };
    pooler.server.cache().unwrap().set_settings(off);
    for _ in 0..2 {
        assert_eq!(counted(&pooler, || wire.query("SELECT 'warm up'")).0, (0, 0, 0));
    }
    assert!(counters(&pooler).disabled >= 2);
}
