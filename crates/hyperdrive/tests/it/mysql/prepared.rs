use super::{MariaDb, Wish};
use crate::support::{MySqlReply, MySqlWire, execution};

fn text_of(reply: &MySqlReply) -> String {
    assert_eq!(reply.error, None);
    String::from_utf8_lossy(&reply.binary[0][2..]).into_owned()
}

/// Takes a connection, so that others must use the next.
fn occupy(client: &mut MySqlWire) {
    client.ok("BEGIN");
    client.ok("SELECT COUNT(*) FROM mysql.db");
}

#[test]
fn a_statement_runs_on_whichever_connection_there_is() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(3).start();
    let (mut client, mut first, mut second) = (pooled.connect(), pooled.connect(), pooled.connect());
    let (number, parameters) = client.prepare("SELECT CONCAT(?, ':', ?, ':', CONNECTION_ID())").unwrap();
    assert_eq!(parameters, 2);
    let mut backends = std::collections::HashSet::new();
    for round in 0..9 {
        // Types are bound once; after that no connection hears of them from the client again.
        let value = text_of(&client.execute(number, &["a", &round.to_string()], round == 0));
        assert!(value.contains(&format!("a:{round}:")), "{value}");
        backends.insert(value.rsplit(':').next().unwrap().to_owned());
        match round {
            2 => occupy(&mut first),
            5 => occupy(&mut second),
            _ => {}
        }
    }
    assert_eq!(backends.len(), 3);
}

#[test]
fn clients_numbers_and_texts_are_their_own() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let (mut one, mut two) = (pooled.connect(), pooled.connect());
    let (first, _) = one.prepare("SELECT 'one', ?").unwrap();
    let (other, _) = two.prepare("SELECT 'two', ?").unwrap();
    let (same, _) = two.prepare("SELECT 'one', ?").unwrap();
    for types in [true, false] {
        assert!(text_of(&one.execute(first, &["x"], types)).contains("one"));
        assert!(text_of(&two.execute(other, &["y"], types)).contains("two"));
        assert!(text_of(&two.execute(same, &["z"], types)).contains('z'));
    }
    two.send(0, &[b"\x19".as_slice(), &same.to_le_bytes()].concat());
    assert_eq!(two.execute(same, &["z"], true).error.unwrap().0, 1243, "it is closed");
    assert!(text_of(&one.execute(first, &["x"], false)).contains("one"), "the other's is not");
    assert_eq!(one.execute(999, &["x"], true).error.unwrap().0, 1243);
    assert_eq!(one.prepare("SELEC").unwrap_err().0, 1064);
    assert_eq!(one.prepare("USE mysql").unwrap_err().0, 1235);
}

#[test]
fn statements_survive_resets_and_lost_connections_and_make_room_for_each_other() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database).connections(1);
    wish.config.max_statements_per_connection = 3;
    let pooled = wish.start();
    let mut client = pooled.connect();
    let numbers: Vec<u32> =
        (0..10).map(|n| client.prepare(&format!("SELECT 'statement {n}', ?")).unwrap().0).collect();
    for round in 0..3 {
        for (n, number) in numbers.iter().enumerate() {
            let value = text_of(&client.execute(*number, &["v"], round == 0));
            assert!(value.contains(&format!("statement {n}")), "{value}");
        }
        let kept = database.direct().value("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
        assert_eq!(kept, "Prepared_stmt_count");
        if round == 0 {
            client.ok("BEGIN");
            client.ok("SET @a = 1");
            client.ok("COMMIT");
        } else {
            let number = client.value("SELECT CONNECTION_ID()");
            database.direct().ok(&format!("KILL {number}"));
        }
    }
    let reply = database.direct().ok("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
    let count: u32 = reply.rows[0][1].as_ref().unwrap().parse().unwrap();
    assert!(count < 20, "{count} statements are left at the origin");
}

#[test]
fn a_client_may_not_prepare_without_end() {
    let Some(database) = MariaDb::shared() else { return };
    let mut wish = Wish::to(&database);
    wish.config.max_statements_per_client = 2;
    let pooled = wish.start();
    let mut client = pooled.connect();
    assert!(client.prepare("SELECT 1").is_ok() && client.prepare("SELECT 2").is_ok());
    assert_eq!(client.prepare("SELECT 3").unwrap_err().0, 1461);
}

#[test]
fn values_sent_ahead_arrive_with_the_execution() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(2).start();
    let (mut client, mut other) = (pooled.connect(), pooled.connect());
    let (number, _) = client.prepare("SELECT LENGTH(?), CONCAT(LEFT(?, 3), '!')").unwrap();
    for _ in 0..3 {
        for (parameter, piece) in [(0_u16, "x".repeat(1000)), (0, "y".repeat(500)), (1, "abcdef".to_owned())]
        {
            let ahead =
                [b"\x18".as_slice(), &number.to_le_bytes(), &parameter.to_le_bytes(), piece.as_bytes()]
                    .concat();
            client.send(0, &ahead);
        }
        other.ok("SELECT 1");
        // No values in the execution: they are there already.
        let mut payload = execution(number, &["", ""], true, 0);
        payload.truncate(payload.len() - 2);
        client.send(0, &payload);
        let reply = client.results(true);
        assert_eq!(reply.error, None);
        let row = &reply.binary[0];
        assert!(row.ends_with(b"abc!"), "{row:?}");
        assert!(row.windows(2).any(|two| two == 1500_u16.to_le_bytes()), "{row:?}");
        pooled.all_given_back();
    }
}

#[test]
fn a_cursor_keeps_its_connection_until_it_is_read_or_closed() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(2).start();
    let mut client = pooled.connect();
    let (number, _) = client.prepare("SELECT seq FROM mysql.db RIGHT JOIN seq_1_to_25 ON 1 = 0").unwrap();
    let open = |client: &mut MySqlWire| {
        client.send(0, &execution(number, &[], true, 1));
        let reply = client.results(true);
        assert_eq!((reply.error, reply.binary.len()), (None, 0));
        assert_ne!(reply.status & 0x40, 0, "no cursor");
    };
    let fetch = |client: &mut MySqlWire, count: u32| {
        client.send(0, &[b"\x1c".as_slice(), &number.to_le_bytes(), &count.to_le_bytes()].concat());
        let mut reply = MySqlReply::default();
        client.rows(1, true, &mut reply);
        reply
    };
    open(&mut client);
    assert_eq!(pooled.active(), 1);
    assert_eq!(fetch(&mut client, 10).binary.len(), 10);
    assert_eq!(fetch(&mut client, 10).binary.len(), 10);
    assert_eq!(pooled.active(), 1);
    assert_eq!(fetch(&mut client, 10).binary.len(), 5);
    while pooled.active() > 0 {
        assert_eq!(fetch(&mut client, 10).binary.len(), 0);
    }
    open(&mut client);
    assert_eq!(client.command(&[b"\x1a".as_slice(), &number.to_le_bytes()].concat()).error, None);
    pooled.all_given_back();
    open(&mut client);
    client.send(0, &[b"\x19".as_slice(), &number.to_le_bytes()].concat());
    assert_eq!(client.value("SELECT 1"), "1");
    pooled.all_given_back();
}

#[test]
fn a_statement_whose_parameters_changed_is_refused_and_not_misread() {
    let Some(database) = MariaDb::shared() else { return };
    let pooled = Wish::to(&database).connections(1).start();
    let mut client = pooled.connect();
    // With NO_BACKSLASH_ESCAPES the text has one string and a parameter less.
    let (number, parameters) = client.prepare(r"SELECT 'a\', ?, ' , ?").unwrap();
    assert_eq!(parameters, 1);
    client.ok("SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    client.ok("BEGIN");
    client.ok("SET @a = 1");
    client.ok("COMMIT");
    let reply = client.execute(number, &["x"], true);
    assert!(reply.error.is_some(), "{reply:?}");
    assert_eq!(client.value("SELECT 1"), "1");
}
