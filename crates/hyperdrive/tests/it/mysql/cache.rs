use selvedge_base::ManualClock;
use selvedge_hyperdrive::cache::{CacheCounters, Dialect, classify};

use super::{MariaDb, Pooled, Wish, eventually};
use crate::support::MySqlWire;

fn counters(pooled: &Pooled) -> CacheCounters {
    pooled.server.cache().unwrap().counters()
}

fn table(database: &MariaDb, name: &str) -> MySqlWire {
    let mut direct = database.direct();
    direct.ok(&format!("CREATE OR REPLACE TABLE {name} (id int PRIMARY KEY, v varchar(20))"));
    direct.ok(&format!("INSERT INTO {name} VALUES (1, 'old'), (2, 'two')"));
    direct
}

#[test]
fn a_read_is_answered_from_the_cache_until_it_is_too_old() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = table(&database, "kept");
    let (wish, clock) = Wish::to(&database).cached();
    let pooled = wish.start();
    let (mut one, mut two) = (pooled.connect(), pooled.connect());
    let sql = "SELECT v FROM kept WHERE id = 1";
    let fresh = one.ok(sql);
    direct.ok("UPDATE kept SET v = 'new' WHERE id = 1");
    assert_eq!(two.ok(sql), fresh, "another client gets the same bytes");
    assert_eq!(one.ok(&format!("/* trace */ {sql} -- now()")), fresh);
    assert_eq!((counters(&pooled).miss, counters(&pooled).hit), (1, 2));
    clock.advance(60_000);
    assert_eq!(one.value(sql), "old", "stale, while somebody asks anew");
    eventually("it is renewed", || one.value(sql) == "new");
    assert_eq!(counters(&pooled).stored, 2);
    clock.advance(75_000);
    direct.ok("UPDATE kept SET v = 'newer' WHERE id = 1");
    assert_eq!(one.value(sql), "newer");
}

#[test]
fn prepared_reads_are_cached_by_their_values() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = table(&database, "valued");
    let (wish, clock) = Wish::to(&database).cached();
    let pooled = wish.start();
    let mut client = pooled.connect();
    let (number, _) = client.prepare("SELECT v FROM valued WHERE id = ?").unwrap();
    let (first, second) = (client.execute(number, &["1"], true), client.execute(number, &["2"], false));
    assert_ne!(first.binary, second.binary);
    direct.ok("UPDATE valued SET v = 'new'");
    assert_eq!(client.execute(number, &["1"], false), first);
    let mut other = pooled.connect();
    let (theirs, _) = other.prepare("SELECT v FROM valued WHERE id = ?").unwrap();
    assert_eq!(other.execute(theirs, &["2"], true), second);
    assert_eq!((counters(&pooled).hit, counters(&pooled).miss), (2, 2));
    // The text protocol's answers are in another form.
    assert_eq!(client.value("SELECT v FROM valued WHERE id = 1"), "new");
    clock.advance(60_000);
    let renewed = client.execute(number, &["1"], false);
    assert_ne!(renewed.binary, first.binary);
    assert_eq!(client.execute(number, &["1"], false), renewed);
}

#[test]
fn what_must_not_come_from_the_cache_does_not() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = table(&database, "uncached");
    direct.ok("CREATE OR REPLACE VIEW clock AS SELECT id, NOW(6) AS at FROM uncached");
    direct.ok("CREATE OR REPLACE VIEW over_clock AS SELECT * FROM clock");
    direct.ok("CREATE OR REPLACE VIEW calm AS SELECT id, UPPER(v) AS v FROM uncached WHERE v LIKE 'o%'");
    let (wish, _) = Wish::to(&database).cached();
    let pooled = wish.start();
    let mut client = pooled.connect();
    let stored = |pooled: &Pooled| counters(pooled).stored;
    for sql in [
        "SELECT NOW(6)",
        "SELECT * FROM clock",
        "SELECT * FROM over_clock",
        "SELECT v FROM uncached WHERE id = 1 FOR UPDATE",
        "SELECT v FROM nothing",
        "SELECT CAST(v AS SIGNED) FROM uncached",
        "INSERT INTO uncached VALUES (3, 'three')",
        "DELETE FROM uncached WHERE id = 3",
        "SHOW TABLES",
    ] {
        let _ = (client.query(sql), client.query(sql));
        assert_eq!(stored(&pooled), 0, "{sql}");
    }
    client.ok("SELECT * FROM calm");
    // The client has its answer before the cache has it whole.
    for _ in 0..500 {
        if stored(&pooled) == 1 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(stored(&pooled), 1);
    // In a transaction and without autocommit nothing is taken and nothing is kept.
    client.ok("SELECT v FROM uncached WHERE id = 1");
    direct.ok("UPDATE uncached SET v = 'new' WHERE id = 1");
    client.ok("BEGIN");
    assert_eq!(client.value("SELECT v FROM uncached WHERE id = 1"), "new");
    client.ok("SELECT v FROM uncached WHERE id = 2");
    client.ok("COMMIT");
    let mut manual = pooled.connect();
    manual.ok("SET autocommit = 0");
    assert_eq!(manual.value("SELECT v FROM uncached WHERE id = 1"), "new");
    assert_eq!((stored(&pooled), client.value("SELECT v FROM uncached WHERE id = 1")), (2, "old".to_owned()));
}

#[test]
fn clients_with_other_settings_have_other_answers() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = table(&database, "zoned");
    direct.ok("ALTER TABLE zoned ADD at timestamp DEFAULT '2020-01-01 00:00:00'");
    let (wish, _) = Wish::to(&database).cached();
    let pooled = wish.start();
    let (mut utc, mut far) = (pooled.connect(), pooled.connect());
    utc.ok("SET time_zone = '+00:00'");
    far.ok("SET time_zone = '+13:00'");
    let sql = "SELECT at FROM zoned WHERE id = 1";
    let (first, second) = (utc.value(sql), far.value(sql));
    assert_ne!(first, second);
    assert_eq!((utc.value(sql), far.value(sql)), (first, second));
    assert_eq!(counters(&pooled).hit, 2);
    let mut latin = pooled.connect();
    latin.ok("SET NAMES latin1");
    latin.ok(sql);
    latin.ok(sql);
    assert_eq!((counters(&pooled).hit, counters(&pooled).uncacheable > 0), (2, true));
}

#[test]
fn a_cache_that_is_switched_off_asks_every_time() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = table(&database, "switched");
    let (wish, _clock): (Wish, std::sync::Arc<ManualClock>) = Wish::to(&database).cached();
    let pooled = wish.start();
    let mut client = pooled.connect();
    let sql = "SELECT v FROM switched WHERE id = 1";
    client.ok(sql);
    let cache = pooled.server.cache().unwrap();
    cache.set_settings(selvedge_hyperdrive::cache::CacheSettings { enabled: false, ..cache.settings() });
    direct.ok("UPDATE switched SET v = 'new'");
    assert_eq!(client.value(sql), "new");
    assert_eq!(counters(&pooled).disabled, 1);
}

/// MariaDB has a query cache of its own, and its own opinion on what may be in it: whatever we take for cacheable, it
/// must too.
#[test]
fn what_is_cacheable_for_us_is_so_for_mariadbs_own_cache() {
    let Some(database) = MariaDb::start(&["--query-cache-type=ON", "--query-cache-size=16M"]) else { return };
    let mut direct = database.direct();
    direct.ok("CREATE TABLE t (id int, name varchar(20), at datetime, doc varchar(100), n decimal(10,2))");
    direct.ok("INSERT INTO t VALUES (1, 'a', '2020-01-01', '{\"a\":1}', 1.5), (2, 'b', '2021-01-01', '{\"a\":2}', 2.5)");
    direct.ok("CREATE FUNCTION chance() RETURNS double NOT DETERMINISTIC RETURN RAND()");
    let inserts = |direct: &mut MySqlWire| {
        direct.ok("SHOW GLOBAL STATUS LIKE 'Qcache_inserts'").rows[0][1]
            .clone()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let functions = include_str!("../../../src/cache/names/mysql_functions.txt").split_ascii_whitespace();
    let arguments = [
        "",
        "id",
        "name",
        "at",
        "id, 2",
        "name, 'a'",
        "doc, '$.a'",
        "at, INTERVAL 1 DAY",
        "name, 1, 2",
        "name, 'a', 'b'",
        "doc, '$.a', 1",
        "DAY, at, at",
        "id, id, id, id",
        "id ORDER BY id",
        "name, 'one', 'a'",
    ];
    let calls =
        functions.flat_map(|name| arguments.iter().map(move |arguments| format!("{name}({arguments})")));
    let values = [
        "NOW()",
        "RAND()",
        "UUID()",
        "CURRENT_DATE",
        "CONNECTION_ID()",
        "DATABASE()",
        "USER()",
        "LAST_INSERT_ID()",
        "SLEEP(0)",
        "@a",
        "@@version",
        "chance()",
        "UNIX_TIMESTAMP()",
        "BENCHMARK(1, 1)",
        "GET_LOCK('a', 0)",
        "id + 1",
        "name",
        "CAST(id AS CHAR)",
        "CASE id WHEN 1 THEN name END",
        "(SELECT MAX(id) FROM t)",
    ];
    let shapes =
        ["SELECT {} FROM t", "SELECT id FROM t WHERE {} IS NOT NULL", "SELECT id FROM t ORDER BY {}"];
    let statements = calls
        .map(|call| format!("SELECT {call} FROM t"))
        .chain(values.iter().flat_map(|value| shapes.map(|shape| shape.replace("{}", value))));
    let (mut agreed, mut refused) = (0, 0);
    for sql in statements {
        let before = inserts(&mut direct);
        let reply = direct.query(&sql);
        // Neither cache keeps an answer with warnings.
        if reply.error.is_some() || reply.warnings > 0 {
            continue;
        }
        let theirs = inserts(&mut direct) > before;
        if classify(sql.as_bytes(), Dialect::MySql).is_cacheable() {
            assert!(theirs, "MariaDB would not keep the answer to {sql}");
            agreed += 1;
        } else {
            refused += 1;
        }
    }
    assert!(agreed > 200 && refused > 30, "{agreed} agreed, {refused} refused");
}
