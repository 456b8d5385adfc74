use super::{MariaDb, Wish};
use crate::support::MySqlWire;

fn backend(client: &mut MySqlWire) -> String {
    client.value("SELECT CONNECTION_ID()")
}

#[test]
fn a_transaction_keeps_its_connection_and_nobody_else_gets_it() {
    let Some(database) = MariaDb::shared() else { return };
    database.direct().ok("CREATE OR REPLACE TABLE held (id int)");
    let pooled = Wish::to(&database).start();
    let (mut one, mut two) = (pooled.connect(), pooled.connect());
    one.ok("BEGIN");
    let mine = backend(&mut one);
    one.ok("INSERT INTO held VALUES (1)");
    for _ in 0..20 {
        assert_ne!(backend(&mut two), mine);
        assert_eq!(two.value("SELECT COUNT(*) FROM held"), "0");
    }
    assert_eq!(backend(&mut one), mine);
    one.ok("ROLLBACK");
    pooled.all_given_back();
    assert_eq!(one.value("SELECT COUNT(*) FROM held"), "0");
    // Without autocommit every statement is in one.
    one.ok("SET autocommit = 0");
    one.ok("INSERT INTO held VALUES (2)");
    assert_eq!(pooled.active(), 1);
    assert_eq!(two.value("SELECT COUNT(*) FROM held"), "0");
    one.ok("COMMIT");
    pooled.all_given_back();
    assert_eq!(two.value("SELECT COUNT(*) FROM held"), "1");
}

#[test]
fn a_client_that_goes_in_a_transaction_leaves_nothing() {
    let Some(database) = MariaDb::shared() else { return };
    database.direct().ok("CREATE OR REPLACE TABLE left_open (id int)");
    let pooled = Wish::to(&database).connections(1).start();
    let mut one = pooled.connect();
    one.ok("BEGIN");
    one.ok("INSERT INTO left_open VALUES (1)");
    one.ok("SET @mine = 'secret', @@session.sort_buffer_size = 100000");
    drop(one);
    let mut two = pooled.connect();
    assert_eq!(two.value("SELECT COUNT(*) FROM left_open"), "0");
    two.ok("BEGIN");
    assert_eq!(two.value("SELECT @mine"), "");
    assert_ne!(two.value("SELECT @@session.sort_buffer_size"), "100000");
    assert_eq!(two.value("SELECT @@in_transaction"), "1");
}

#[test]
fn settings_follow_their_client_to_every_connection_and_no_other_client() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(2).start();
    let (mut utc, mut far, mut plain) = (pooled.connect(), pooled.connect(), pooled.connect());
    utc.ok("SET time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    far.ok("SET SESSION time_zone = '+13:00'");
    far.ok("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 {
        assert_eq!(utc.value("SELECT @@time_zone"), "+00:00");
        assert!(utc.value("SELECT @@sql_mode").contains("ANSI_QUOTES"));
        assert_eq!(far.value("SELECT @@time_zone"), "+13:00");
        assert_eq!(far.value("SELECT @@tx_isolation"), "READ-COMMITTED");
        assert_eq!(plain.value("SELECT @@time_zone"), "SYSTEM");
        assert_eq!(plain.value("SELECT @@tx_isolation"), "REPEATABLE-READ");
        let mut hold = pooled.connect();
        hold.ok("BEGIN");
        hold.ok("SELECT * FROM mysql.user LIMIT 0");
        seen.insert(backend(&mut utc));
    }
    assert_eq!(seen.len(), 2, "it always ran on the same connection");
    // A setting in a transaction stays, as it does without a pool.
    plain.ok("BEGIN");
    plain.ok("SET time_zone = '+05:00'");
    plain.ok("ROLLBACK");
    assert_eq!(plain.value("SELECT @@time_zone"), "+05:00");
    assert!(plain.query("SET time_zone = 'nonsense'").error.is_some());
    assert_eq!(plain.value("SELECT @@time_zone"), "+05:00");
    // And the client's own wish undoes them all.
    assert_eq!(plain.command(b"\x1f").error, None);
    assert_eq!(plain.value("SELECT @@time_zone"), "SYSTEM");
}

#[test]
fn the_collation_that_a_client_connects_with_is_its_own() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let capabilities = 1 | 4 | 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;
    let connect = |collation| {
        MySqlWire::connect_as(pooled.port, "me", "secret", "shop", capabilities, collation).unwrap()
    };
    let (mut general, mut unicode, mut latin) = (connect(45), connect(224), connect(8));
    for _ in 0..3 {
        assert_eq!(general.value("SELECT @@collation_connection"), "utf8mb4_general_ci");
        assert_eq!(unicode.value("SELECT @@collation_connection"), "utf8mb4_unicode_ci");
        assert_eq!(latin.value("SELECT @@character_set_results"), "latin1");
    }
}

#[test]
fn what_lasts_for_a_session_is_refused_outside_a_transaction_and_undone_after_one() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let mut client = pooled.connect();
    for sql in [
        "SET @a = 1",
        "SET @old = @@sql_mode, sql_mode = ''",
        "CREATE TEMPORARY TABLE temp (id int)",
        "SELECT GET_LOCK('a', 0)",
        "PREPARE s FROM 'SELECT 1'",
        "LOCK TABLES held READ",
        "HANDLER held OPEN",
        "XA START 'x'",
        "SHOW WARNINGS",
        "SELECT FOUND_ROWS()",
        "SELECT ROW_COUNT()",
    ] {
        let (code, text) = client.query(sql).error.unwrap();
        assert_eq!(code, 1235, "{sql}: {text}");
    }
    for (inside, after, expected) in [
        ("SET @a = 1", "SELECT @a", ""),
        ("SELECT @a := 1", "SELECT @a", ""),
        ("SELECT GET_LOCK('mine', 0)", "SELECT IS_FREE_LOCK('mine')", "1"),
        ("PREPARE s FROM 'SELECT 1'", "SELECT COUNT(*) FROM information_schema.tables WHERE 1 = 0", "0"),
        (
            "CREATE TEMPORARY TABLE mine (id int)",
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'mine'",
            "0",
        ),
    ] {
        client.ok("BEGIN");
        client.ok(inside);
        client.ok("COMMIT");
        assert_eq!(pooled.connect().value(after), expected, "{inside}");
    }
    // What a procedure does to the session, no text tells: the server does.
    let mut direct = database.direct();
    direct.ok(
        "CREATE OR REPLACE PROCEDURE sets() BEGIN SET @hidden = 'secret'; SET sort_buffer_size = 100000; END",
    );
    client.ok("CALL sets()");
    assert_eq!(pooled.connect().value("SELECT @hidden"), "");
    assert_ne!(pooled.connect().value("SELECT @@sort_buffer_size"), "100000");
}

#[test]
fn last_insert_id_is_the_clients_own_on_every_connection() {
    let Some(database) = MariaDb::shared() else { return };
    database.direct().ok("CREATE OR REPLACE TABLE counted (id int PRIMARY KEY AUTO_INCREMENT, who int)");
    let pooled = Wish::to(&database).connections(2).start();
    let (mut one, mut two) = (pooled.connect(), pooled.connect());
    for _ in 0..10 {
        let mine = one.ok("INSERT INTO counted (who) VALUES (1)").insert_id;
        let theirs = two.ok("INSERT INTO counted (who) VALUES (2)").insert_id;
        assert_eq!(one.value("SELECT LAST_INSERT_ID()"), mine.to_string());
        assert_eq!(two.value("SELECT @@last_insert_id"), theirs.to_string());
        let (number, _) = one.prepare("INSERT INTO counted (who) VALUES (LAST_INSERT_ID())").unwrap();
        one.execute(number, &[], true);
        let kept = database.direct().value("SELECT who FROM counted ORDER BY id DESC LIMIT 1");
        assert_eq!(kept, mine.to_string());
    }
}

#[test]
fn an_error_leaves_no_transaction_behind() {
    let Some(database) = MariaDb::shared() else { return };
    let mut direct = database.direct();
    direct.ok("CREATE OR REPLACE TABLE started (id int)");
    direct.ok("CREATE OR REPLACE PROCEDURE starts() BEGIN START TRANSACTION; INSERT INTO started VALUES (1);
         SIGNAL SQLSTATE '45000'; END");
    let pooled = Wish::to(&database).connections(1).start();
    let mut client = pooled.connect();
    assert!(client.query("CALL starts()").error.is_some());
    let mut other = pooled.connect();
    assert_eq!(other.value("SELECT @@in_transaction"), "0");
    assert_eq!(other.value("SELECT COUNT(*) FROM started"), "0");
}

#[test]
fn the_next_transactions_level_is_for_the_next_transaction() {
    let Some(database) = MariaDb::shared() else { return };
    database.direct().ok("CREATE OR REPLACE TABLE leveled (id int)");
    let pooled = Wish::to(&database).start();
    let (mut one, mut two) = (pooled.connect(), pooled.connect());
    one.ok("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
    one.ok("START TRANSACTION");
    one.ok("SELECT COUNT(*) FROM leveled");
    two.ok("BEGIN");
    two.ok("INSERT INTO leveled VALUES (1)");
    assert_eq!(one.value("SELECT COUNT(*) FROM leveled"), "1", "it reads what is not committed");
    one.ok("COMMIT");
    assert_eq!(one.value("SELECT COUNT(*) FROM leveled"), "0");
    two.ok("ROLLBACK");
    pooled.all_given_back();
}

#[test]
fn in_session_mode_everything_lasts_until_the_client_goes() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.config.mode = selvedge_hyperdrive::mysql::MySqlMode::Session;
    let pooled = wish.start();
    let mut client = pooled.connect();
    client.ok("SET @a = 7");
    client.ok("CREATE TEMPORARY TABLE mine (id int)");
    client.ok("INSERT INTO mine VALUES (1), (2)");
    client.ok("USE mysql");
    assert_eq!(
        (client.value("SELECT @a"), client.value("SELECT COUNT(*) FROM shop.mine")),
        ("7".into(), "2".into())
    );
    drop(client);
    let mut next = pooled.connect();
    assert_eq!(next.value("SELECT @a"), "");
    assert!(next.query("SELECT * FROM shop.mine").error.is_some());
    assert_eq!(next.value("SELECT DATABASE()"), "shop");
}

#[test]
fn a_client_that_asks_for_spaces_before_parentheses_may_write_them() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let capabilities = 1 | 4 | 8 | 1 << 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;
    let mut spaced = MySqlWire::connect_as(pooled.port, "me", "secret", "shop", capabilities, 45).unwrap();
    let mut plain = pooled.connect();
    for _ in 0..2 {
        assert_eq!(spaced.value("SELECT COUNT (*) FROM (SELECT 1) t"), "1");
        assert!(spaced.value("SELECT @@sql_mode").contains("STRICT_TRANS_TABLES"));
        assert!(!plain.value("SELECT @@sql_mode").contains("IGNORE_SPACE"));
    }
    spaced.ok("SET sql_mode = ''");
    assert_eq!(plain.value("SELECT 1"), "1");
    assert_eq!(spaced.value("SELECT @@sql_mode"), "", "the client's own mode takes its place");
}
