use super::{MariaDb, Pooled, Wish};
use crate::support::MySqlWire;

/// Answers of every kind.
const STATEMENTS: [&str; 22] = [
    "SELECT 1",
    "SELECT 1 AS a, NULL AS b, 'é' AS c, 1.50 AS d, x'00ff' AS e",
    "SELECT 1 /* a comment */ + 1",
    "SELECT repeat('x', 300), repeat('y', 70000)",
    "SELECT * FROM numbers ORDER BY n",
    "SELECT * FROM numbers WHERE n < 0",
    "SELECT nothing FROM numbers",
    "SELEC 1",
    "",
    "SELECT 1; SELECT 2",
    "DO 1",
    "SELECT 1 FROM numbers WHERE n = 1 UNION SELECT 2",
    "UPDATE numbers SET n = n",
    "UPDATE numbers SET n = n + 1 WHERE n = -1",
    "INSERT IGNORE INTO keyed VALUES (1, 'again')",
    "INSERT INTO keyed VALUES (1, 'again')",
    "CALL several()",
    "CALL failing()",
    "SELECT CAST('abc' AS SIGNED)",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE keyed",
    "SHOW TABLES",
    "EXPLAIN SELECT 1",
];

fn furnish(database: &MariaDb, name: &str) {
    let mut direct = database.direct();
    direct.ok(&format!("CREATE OR REPLACE DATABASE {name}"));
    let mut direct = MySqlWire::connect(database.port, "app", "pw", name).unwrap();
    for sql in [
        "CREATE TABLE numbers (n int)",
        "INSERT INTO numbers SELECT seq FROM seq_1_to_3000",
        "CREATE TABLE keyed (id int PRIMARY KEY, v varchar(100))",
        "INSERT INTO keyed VALUES (1, 'one')",
        "CREATE PROCEDURE several() BEGIN SELECT 1; SELECT * FROM keyed; UPDATE keyed SET v = v; SELECT 2; END",
        "CREATE PROCEDURE failing() BEGIN SELECT 1; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END",
    ] {
        direct.ok(sql);
    }
}

fn to(database: &MariaDb, name: &str) -> Pooled {
    furnish(database, name);
    let mut wish = Wish::to(database);
    wish.origin = format!("mysql://app:pw@127.0.0.1:{}/{name}", database.port);
    wish.start()
}

#[test]
fn every_answer_is_byte_for_byte_the_origins() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = to(&database, "alike");
    let mut near = MySqlWire::connect(database.port, "app", "pw", "alike").unwrap();
    let mut far = pooled.connect();
    for sql in STATEMENTS {
        assert_eq!(far.query(sql), near.query(sql), "{sql}");
    }
    for sql in STATEMENTS {
        let (near_made, far_made) = (near.prepare(sql), far.prepare(sql));
        assert_eq!(near_made.as_ref().err(), far_made.as_ref().err(), "{sql}");
        if let (Ok((near_number, _)), Ok((far_number, _))) = (near_made, far_made) {
            for _ in 0..2 {
                assert_eq!(far.execute(far_number, &[], true), near.execute(near_number, &[], true), "{sql}");
            }
        }
    }
    pooled.all_given_back();
}

#[test]
fn commands_beside_queries_are_answered() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = to(&database, "beside");
    let mut near = MySqlWire::connect(database.port, "app", "pw", "beside").unwrap();
    let mut far = pooled.connect();
    assert_eq!(far.command(b"\x0e"), near.command(b"\x0e"), "COM_PING");
    assert_eq!(far.command(b"\x02shop").error, None, "the database that clients know");
    let refused = far.command(b"\x02mysql").error.unwrap();
    assert_eq!(
        refused,
        (1235, "Hyperdrive does not currently support MySQL COM_INIT_DB messages".to_owned())
    );
    assert_eq!(far.query("USE mysql").error.unwrap().0, 1235);
    assert_eq!(far.command(b"\x11me\0").error.unwrap().0, 1235, "COM_CHANGE_USER");
    assert_eq!(far.command(b"\x1b\0\0").error.unwrap().0, 1235, "COM_SET_OPTION");
    far.send(0, b"\x09");
    assert!(far.packet().0.starts_with(b"Uptime"), "COM_STATISTICS");
    for wire in [&mut near, &mut far] {
        wire.send(0, b"\x04numbers\0%");
    }
    let (columns, end) = (near.packet(), near.packet());
    assert_eq!((far.packet(), far.packet()), (columns, end), "COM_FIELD_LIST");
    assert_eq!(far.value("SELECT 1"), "1");
}

#[test]
fn packets_of_16_megabytes_and_more_pass_both_ways() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).start();
    let mut client = pooled.connect();
    for length in [0xff_ffff - 9, 0xff_ffff - 1, 0xff_ffff, 0xff_ffff + 1, 20_000_000] {
        let text = "x".repeat(length);
        let reply = client.ok(&format!("SELECT '{text}', {length}"));
        let row = &reply.rows[0];
        assert!(row[0].as_deref() == Some(&text) && row[1] == Some(length.to_string()), "{length}");
        assert_eq!(client.value(&format!("SELECT {length}")), length.to_string());
    }
}

#[test]
fn commands_sent_before_the_answer_to_the_one_before_are_answered_in_turn() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).start();
    let mut client = pooled.connect();
    for n in 0..100 {
        client.send(0, format!("\x03SELECT {n}").as_bytes());
    }
    for n in 0..100 {
        assert_eq!(client.results(false).rows, [[Some(n.to_string())]]);
    }
    // MariaDB's connectors name the statement that they have just sent by -1.
    client.send(0, b"\x16SELECT 5");
    client.send(0, &crate::support::execution(u32::MAX, &[], true, 0));
    let (prepared, _) = client.packet();
    assert_eq!(prepared[0], 0);
    client.packet();
    client.packet();
    assert_eq!(client.results(true).binary.len(), 1);
}

#[test]
fn an_update_counts_rows_as_each_client_wants() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = to(&database, "found");
    let affected = |client: &mut MySqlWire| client.ok("UPDATE keyed SET v = 'one'").bytes[6];
    let mut changed = pooled.connect();
    let capabilities = 1 | 2 | 4 | 8 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 19;
    let mut found = MySqlWire::connect_as(pooled.port, "me", "secret", "shop", capabilities, 45).unwrap();
    assert_eq!((affected(&mut changed), affected(&mut found)), (0, 1));
}
