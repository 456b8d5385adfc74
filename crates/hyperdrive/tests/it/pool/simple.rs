use crate::support::{Pooler, Postgres};

#[test]
fn many_clients_share_few_connections_and_each_gets_its_own_rows() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 3);
    std::thread::scope(|scope| {
        for client in 0..30 {
            let pooler = &pooler;
            scope.spawn(move || {
                let mut wire = pooler.connect();
                for round in 0..20 {
                    let nonce = format!("{client}/{round}");
                    let rows = 1 + (client * round) % 50;
                    let got = wire.column(&format!("SELECT '{nonce}' FROM generate_series(1, {rows})"));
                    assert_eq!(got, vec![nonce; rows]);
                }
            });
        }
    });
    pooler.settle();
    assert!(pooler.count(|c| &c.connections_opened) <= 3);
    assert_eq!(pooler.count(|c| &c.connections_discarded), 0);
    assert_eq!(pooler.count(|c| &c.requests), 600);
    assert!(pooler.server.pool().counters().wait.count() > 0);
}

#[test]
fn a_transaction_keeps_its_connection_and_others_keep_out() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    assert_eq!(one.query("BEGIN").status, 'T');
    let pid = one.column("SELECT pg_backend_pid()");
    for _ in 0..5 {
        assert_ne!(two.column("SELECT pg_backend_pid()"), pid);
        assert_eq!(one.column("SELECT pg_backend_pid()"), pid);
    }
    let failed = one.query("SELECT 1/0");
    assert_eq!((failed.code(), failed.status), ("22012", 'E'));
    assert_eq!(one.query("SELECT 1").code(), "25P02");
    assert_eq!(one.query("ROLLBACK").status, 'I');
    assert_eq!(one.column("SELECT 1"), ["1"]);
}

#[test]
fn several_statements_in_one_message_are_answered_each() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    let reply = wire.query("SELECT 1; SELECT 2; ; SELECT 1/0; SELECT 3");
    assert_eq!((reply.kinds.as_str(), reply.rows.len(), reply.code()), ("TDCTDCEZ", 2, "22012"));
    assert_eq!(wire.query("").kinds, "IZ");
    let reply = wire.query("DO $$ BEGIN RAISE NOTICE 'hello'; END $$");
    assert_eq!(reply.kinds, "NCZ");
}

#[test]
fn queries_sent_without_waiting_are_answered_in_order() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut wire = pooler.connect();
    let mut bytes = Vec::new();
    for i in 0..100 {
        let sql = if i % 10 == 3 { "SELECT 1/0\0".to_owned() } else { format!("SELECT {i}\0") };
        bytes.extend_from_slice(&crate::support::message(b'Q', sql.as_bytes()));
    }
    wire.raw(&bytes);
    for i in 0..100 {
        let reply = wire.read();
        if i % 10 == 3 {
            assert_eq!(reply.code(), "22012");
        } else {
            assert_eq!(reply.rows, [[Some(i.to_string())]]);
        }
    }
}

#[test]
fn messages_in_pieces_and_large_ones_pass_whole() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    for byte in crate::support::message(b'Q', b"SELECT 'in pieces'\0") {
        wire.raw(&[byte]);
    }
    assert_eq!(wire.read().rows, [[Some("in pieces".to_owned())]]);
    // Longer than anything that is looked at as a whole, both ways.
    let long = "x".repeat(3_000_000);
    assert_eq!(wire.column(&format!("SELECT '{long}' || '{long}'")), [format!("{long}{long}")]);
    let rows = wire.column("SELECT repeat('y', 100000) FROM generate_series(1, 200)");
    assert!(rows.len() == 200 && rows.iter().all(|row| row.len() == 100_000));
    assert_eq!(wire.column("SELECT 1"), ["1"]);
}

#[test]
fn what_needs_a_session_is_refused_and_the_client_goes_on() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    for sql in
        ["LISTEN x", "PREPARE x AS SELECT 1", "SELECT pg_advisory_lock(1)", "CREATE TEMP TABLE x (a int)"]
    {
        let reply = wire.query(sql);
        assert_eq!((reply.code(), reply.status), ("0A000", 'I'), "{sql}");
        assert_eq!(wire.column("SELECT 1"), ["1"]);
        wire.query("BEGIN");
        let reply = wire.query(sql);
        assert_eq!((reply.code(), reply.status), ("0A000", 'E'), "{sql}");
        assert!(reply.error.unwrap().1.contains("transaction mode"), "{sql}");
        assert_eq!(wire.query("SELECT 1").code(), "25P02", "as after any other error");
        assert_eq!(wire.query("ROLLBACK").status, 'I');
    }
    // Behind something else, in one go.
    wire.raw(
        &[
            crate::support::message(b'Q', b"SELECT 1\0"),
            crate::support::message(b'Q', b"LISTEN x\0"),
            crate::support::message(b'Q', b"SELECT 2\0"),
        ]
        .concat(),
    );
    assert_eq!(wire.read().rows, [[Some("1".to_owned())]]);
    assert_eq!(wire.read().code(), "0A000");
    assert_eq!(wire.read().rows, [[Some("2".to_owned())]]);
    assert_eq!(wire.query("BEGIN; CREATE TEMP TABLE x (a int) ON COMMIT DROP; COMMIT").code(), "");
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}
