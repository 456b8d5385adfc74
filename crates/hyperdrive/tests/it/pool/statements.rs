use super::extended::{bind, close, describe, execute, go, parse, sync};
use crate::support::pooler::origin;
use crate::support::{Pooler, Postgres, Wire};

fn run(wire: &mut Wire, name: &str, values: &[&str]) -> crate::support::Reply {
    go(wire, &[bind("", name, values), execute("", 0), sync()]);
    wire.read()
}

fn value(wire: &mut Wire, name: &str, values: &[&str]) -> String {
    let reply = run(wire, name, values);
    assert_eq!(reply.error, None);
    reply.rows[0][0].clone().unwrap()
}

/// Prepares the statement on one connection, and holds that one so that the next use is on another.
fn prepare(wire: &mut Wire, name: &str, sql: &str) {
    go(wire, &[parse(name, sql), sync()]);
    assert_eq!(wire.read().kinds, "1Z");
}

#[test]
fn a_named_statement_is_there_on_every_connection() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 3);
    let (mut one, mut two, mut three) = (pooler.connect(), pooler.connect(), pooler.connect());
    prepare(&mut one, "s", "SELECT 'one ' || $1");
    prepare(&mut two, "s", "SELECT 'two ' || $1 || pg_backend_pid()");
    // The connections that have it are busy.
    let mut pids = std::collections::BTreeSet::new();
    for wire in [&mut three, &mut one] {
        wire.query("BEGIN");
        pids.insert(wire.column("SELECT pg_backend_pid()")[0].clone());
    }
    let answer = value(&mut two, "s", &["x"]);
    assert!(answer.starts_with("two x") && !pids.contains(&answer[5..]), "{answer}");
    assert_eq!(value(&mut one, "s", &["y"]), "one y");
    go(&mut three, &[bind("", "s", &[]), sync()]);
    assert_eq!(three.read().code(), "26000", "it is the others'");
}

#[test]
fn the_unnamed_statement_is_its_clients_own_too() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    prepare(&mut one, "", "SELECT 'one'");
    prepare(&mut two, "", "SELECT 'two'");
    assert_eq!(value(&mut one, "", &[]), "one");
    assert_eq!(value(&mut two, "", &[]), "two");
    go(&mut one, &[describe('S', ""), sync()]);
    assert_eq!(one.read().kinds, "tTZ");
    let mut three = pooler.connect();
    assert_eq!(run(&mut three, "", &[]).code(), "26000");
    // A simple query takes it away, as it does without a pool.
    one.query("SELECT 1");
    assert_eq!(run(&mut one, "", &[]).code(), "26000");
    assert_eq!(value(&mut two, "", &[]), "two");
}

#[test]
fn equal_texts_are_prepared_once_per_connection() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut clients: Vec<_> = (0..5).map(|_| pooler.connect()).collect();
    for (i, wire) in clients.iter_mut().enumerate() {
        let name = format!("n{i}");
        go(wire, &[parse(&name, "SELECT $1::int * 2"), bind("", &name, &["4"]), execute("", 0), sync()]);
        let reply = wire.read();
        assert_eq!((reply.kinds.as_str(), reply.rows[0][0].as_deref()), ("12DCZ", Some("8")));
    }
    let prepared = clients[0].column("SELECT count(*) FROM pg_prepared_statements");
    assert_eq!(prepared, ["1"]);
    // Closing is the client's affair alone.
    go(&mut clients[0], &[close('S', "n0"), bind("", "n0", &["1"]), sync()]);
    let reply = clients[0].read();
    assert_eq!((reply.kinds.as_str(), reply.code()), ("3EZ", "26000"));
    assert_eq!(value(&mut clients[1], "n1", &["5"]), "10");
}

#[test]
fn too_many_statements_push_out_the_oldest_and_come_back() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = 1;
        wishes.config.max_statements_per_connection = 3;
        wishes.config.max_statements_per_client = 10;
    });
    let mut wire = pooler.connect();
    for i in 0..10 {
        prepare(&mut wire, &format!("s{i}"), &format!("SELECT {i}"));
    }
    for i in [0, 9, 0, 5, 3, 9, 1] {
        assert_eq!(value(&mut wire, &format!("s{i}"), &[]), i.to_string());
    }
    assert_eq!(wire.column("SELECT count(*) FROM pg_prepared_statements"), ["3"]);
    go(&mut wire, &[parse("one too many", "SELECT 1"), sync()]);
    assert_eq!(wire.read().code(), "53400");
    go(&mut wire, &[close('S', "s0"), parse("instead", "SELECT 1"), sync()]);
    assert_eq!(wire.read().kinds, "31Z");
    assert_eq!(pooler.count(|c| &c.protocol_mismatches), 0);
}

#[test]
fn a_name_in_use_and_a_statement_that_does_not_parse_are_errors_as_usual() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut wire = pooler.connect();
    prepare(&mut wire, "s", "SELECT 1");
    go(&mut wire, &[parse("s", "SELECT 2"), sync()]);
    assert_eq!(wire.read().code(), "42P05");
    assert_eq!(value(&mut wire, "s", &[]), "1");
    go(&mut wire, &[parse("bad", "SELEC"), sync()]);
    assert_eq!(wire.read().code(), "42601");
    // It was never prepared, neither under its name nor under ours.
    go(&mut wire, &[parse("bad", "SELECT 3"), bind("", "bad", &[]), execute("", 0), sync()]);
    assert_eq!(wire.read().rows[0][0].as_deref(), Some("3"));
    go(&mut wire, &[parse("worse", "SELEC"), sync()]);
    assert_eq!(wire.read().code(), "42601");
    go(&mut wire, &[bind("", "selvedge_1", &[]), sync()]);
    assert_eq!(wire.read().code(), "26000", "our own names are nobody's");
}

#[test]
fn a_plan_that_no_longer_fits_is_made_again_for_who_prepares_again() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut wire = pooler.connect();
    wire.query(
        "DROP TABLE IF EXISTS replanned; CREATE TABLE replanned (a int); INSERT INTO replanned VALUES (1)",
    );
    prepare(&mut wire, "s", "SELECT * FROM replanned");
    assert_eq!(run(&mut wire, "s", &[]).rows[0].len(), 1);
    wire.query("ALTER TABLE replanned ADD b int");
    assert_eq!(run(&mut wire, "s", &[]).code(), "0A000", "as without a pool");
    go(&mut wire, &[parse("t", "SELECT * FROM replanned"), bind("", "t", &[]), execute("", 0), sync()]);
    let reply = wire.read();
    assert_eq!((reply.code(), reply.rows[0].len()), ("", 2));
    wire.query("DROP TABLE replanned");
}

#[test]
fn forgetting_all_statements_forgets_them() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    for sql in ["DEALLOCATE ALL", "DISCARD ALL"] {
        prepare(&mut one, "s", "SELECT 'one'");
        prepare(&mut two, "s", "SELECT 'two'");
        assert_eq!(one.query(sql).error, None);
        assert_eq!(run(&mut one, "s", &[]).code(), "26000");
        assert_eq!(value(&mut two, "s", &[]), "two", "it was not two who forgot");
        go(&mut two, &[close('S', "s"), sync()]);
        two.read();
    }
}

#[test]
fn a_statement_that_changes_settings_changes_nobody_elses() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    prepare(&mut one, "s", "SET work_mem = '99MB'");
    for _ in 0..2 {
        go(&mut one, &[bind("", "s", &[]), execute("", 0), sync()]);
        assert_eq!(one.read().kinds, "2CZ");
        assert_ne!(two.column("SHOW work_mem"), ["99MB"]);
    }
}
