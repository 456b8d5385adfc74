use super::extended::{bind, execute, go, parse, sync};
use crate::support::pooler::origin;
use crate::support::{Pooler, Postgres, Wire};

#[test]
fn settings_that_the_server_reports_go_with_their_client() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut one = pooler.connect_with(&["TimeZone", "Asia/Tokyo", "application_name", "o'ne\\"]);
    let mut two = pooler.connect_with(&["DateStyle", "SQL"]);
    for _ in 0..3 {
        assert_eq!(one.column("SHOW TimeZone"), ["Asia/Tokyo"]);
        assert_eq!(one.column("SHOW application_name"), ["o'ne\\"]);
        assert_eq!(two.column("SHOW DateStyle"), ["SQL, MDY"]);
        assert_ne!(two.column("SHOW TimeZone"), ["Asia/Tokyo"]);
        assert_eq!(one.column("SHOW DateStyle"), ["ISO, MDY"]);
    }
    let reply = one.query("SET TimeZone = 'UTC'");
    assert_eq!(reply.parameters, [("TimeZone".to_owned(), "UTC".to_owned())]);
    assert_eq!(two.column("SELECT 1"), ["1"]);
    assert_eq!(one.column("SHOW TimeZone"), ["UTC"]);
    // A transaction that fails takes its settings with it.
    one.query("BEGIN; SET TimeZone = 'Asia/Tokyo'");
    let reply = one.query("ROLLBACK");
    assert_eq!(reply.parameters, [("TimeZone".to_owned(), "UTC".to_owned())]);
    assert_eq!(two.column("SELECT 1"), ["1"]);
    assert_eq!(one.column("SHOW TimeZone"), ["UTC"]);
}

#[test]
fn a_client_is_told_what_its_settings_became() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let latin = ["user", "someone", "database", "mine", "client_encoding", "latin-1"];
    let (mut wire, greeting) = Wire::start(pooler.port, 196_608, &latin);
    assert!(greeting.parameters.contains(&("client_encoding".to_owned(), "LATIN1".to_owned())));
    assert_eq!(wire.query("SELECT 1").parameters, []);
    // Without room for a connection of its own it is told when it has one.
    let mut other = pooler.connect_with(&["DateStyle", "sql"]);
    let reply = other.query("SELECT 1");
    assert_eq!(reply.parameters, [("DateStyle".to_owned(), "SQL, MDY".to_owned())]);
    assert_eq!(other.query("SELECT 1").parameters, []);
}

#[test]
fn other_settings_of_the_startup_packet_hold_for_the_client_too() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let options = "-c search_path=elsewhere,public -c my.own=x\\ y";
    let mut one = pooler.connect_with(&["options", options, "extra_float_digits", "2"]);
    let mut two = pooler.connect_with(&["TimeZone", "Asia/Tokyo"]);
    for _ in 0..3 {
        assert_eq!(one.column("SHOW search_path"), ["elsewhere,public"]);
        assert_eq!(one.column("SHOW my.own"), ["x y"]);
        assert_eq!(one.column("SHOW extra_float_digits"), ["2"]);
        assert_eq!(two.column("SHOW search_path"), ["\"$user\", public"]);
        assert_eq!(two.column("SHOW TimeZone"), ["Asia/Tokyo"]);
    }
}

#[test]
fn a_setting_that_cannot_be_had_ends_the_connection_that_asked_for_it() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
    // No room to try: it shows with the first query.
    for settings in [["TimeZone", "Nowhere"], ["no_such_setting", "1"]] {
        let mut wire = pooler.connect_with(&settings);
        let reply = wire.query("SELECT 1");
        assert!(matches!(reply.code(), "22023" | "42704"), "{reply:?}");
        assert_eq!(reply.status, 'X');
        assert_eq!(pooler.connect().column("SELECT 1"), ["1"]);
    }
}

#[test]
fn other_settings_and_roles_last_for_a_transaction() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    assert_eq!(one.column("SET work_mem = '77MB'; SHOW work_mem"), ["77MB"]);
    assert_ne!(two.column("SHOW work_mem"), ["77MB"]);
    assert_ne!(one.column("SHOW work_mem"), ["77MB"]);
    one.query("BEGIN; SET ROLE scram");
    assert_eq!(one.column("SELECT current_user"), ["scram"]);
    one.query("COMMIT");
    assert_eq!(two.column("SELECT current_user"), ["postgres"]);
    one.query("SET SESSION AUTHORIZATION scram");
    assert_eq!(two.column("SELECT session_user"), ["postgres"]);
    one.query("SELECT set_config('search_path', 'x', false)");
    assert_ne!(two.column("SHOW search_path"), ["x"]);
    one.query("DO $$ BEGIN CREATE TEMP TABLE left_behind (a int); END $$");
    assert_eq!(two.query("SELECT * FROM left_behind").code(), "42P01");
}

#[test]
fn the_defaults_of_transactions_go_with_their_client() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    one.query("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    for _ in 0..3 {
        one.query("BEGIN");
        assert_eq!(one.column("SHOW transaction_isolation"), ["serializable"]);
        one.query("COMMIT");
        assert_eq!(two.column("SHOW transaction_isolation"), ["read committed"]);
    }
    assert_eq!(one.column("SHOW default_transaction_isolation"), ["serializable"]);
    assert_eq!(two.column("SHOW default_transaction_isolation"), ["read committed"]);
    one.query("SET default_transaction_read_only = on");
    two.query("SELECT 1");
    assert_eq!(one.query("CREATE TABLE not_made (n int)").code(), "25006");
    // In a transaction it may come to nothing.
    two.query("BEGIN; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
    two.query("ROLLBACK");
    assert_eq!(two.column("SHOW default_transaction_read_only"), ["off"]);
    one.query("RESET ALL");
    two.query("SELECT 1");
    assert_eq!(one.column("SHOW default_transaction_isolation"), ["read committed"]);
    assert_eq!(one.column("SHOW default_transaction_read_only"), ["off"]);
    let sql = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    // Unnamed, named, and named before.
    for (name, first) in [("", true), ("s", true), ("s", false)] {
        let parsing = if first { parse(name, sql) } else { Vec::new() };
        go(&mut one, &[parsing, bind("", name, &[]), execute("", 0), sync()]);
        assert_eq!(one.read().error, None);
        two.query("SELECT 1");
        assert_eq!(one.column("SHOW transaction_isolation"), ["repeatable read"], "{name} {first}");
        one.query("RESET ALL");
    }
}

#[test]
fn what_functions_do_is_undone_on_request() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::with(&origin(&server, "postgres", ""), |wishes| {
        wishes.pool.max_connections = 1;
        wishes.config.reset = selvedge_hyperdrive::postgres::Reset::Always;
    });
    let (mut one, mut two) = (pooler.connect(), pooler.connect());
    one.query(
        "CREATE OR REPLACE FUNCTION sly() RETURNS text LANGUAGE plpgsql AS $$
         BEGIN EXECUTE 'SET work_mem = ''66MB'''; RETURN 'done'; END $$",
    );
    assert_eq!(one.column("SELECT sly()"), ["done"]);
    assert_ne!(two.column("SHOW work_mem"), ["66MB"]);
    one.query("DROP FUNCTION sly()");
}
