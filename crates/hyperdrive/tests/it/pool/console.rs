//! The console that shows how a pooler stands.

use std::path::PathBuf;

use selvedge_databases::{command, find_or_say, output};

use super::extended::{bind, execute, go, parse, sync};
use crate::support::pooler::origin;
use crate::support::{Pooler, Postgres, Reply, Wire};

fn console(pooler: &Pooler) -> Wire {
    Wire::connect_with(pooler.port, &["user", "someone", "database", "pgbouncer", "extra_float_digits", "2"])
}

/// The names of the columns.
fn columns(reply: &Reply) -> Vec<String> {
    // The description is the first message: a kind, a length, a count, and names with eighteen bytes behind each.
    let mut rest = &reply.bytes[7..];
    let count = u16::from_be_bytes([reply.bytes[5], reply.bytes[6]]);
    (0..count)
        .map(|_| {
            let end = rest.iter().position(|&byte| byte == 0).unwrap();
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 19..];
            name
        })
        .collect()
}

/// A value of the first row.
fn value(wire: &mut Wire, command: &str, column: &str) -> String {
    let reply = wire.query(command);
    assert_eq!(reply.error, None, "{command}");
    let at = columns(&reply).iter().position(|name| name == column);
    reply.rows[0][at.unwrap_or_else(|| panic!("{command} has no {column}"))].clone().unwrap()
}

#[test]
fn the_console_tells_how_the_pool_stands() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 2);
    let mut console = console(&pooler);
    assert_eq!(value(&mut console, "SHOW POOLS", "sv_active"), "0");
    let (mut one, mut two, mut three) = (pooler.connect(), pooler.connect(), pooler.connect());
    one.query("BEGIN");
    two.query("BEGIN");
    three.send(b'Q', b"SELECT 3\0");
    let mut waiting = || value(&mut console, "SHOW POOLS;", "cl_waiting");
    while waiting() != "1" {}
    for (column, expected) in [
        ("database", "mine"),
        ("user", "someone"),
        ("cl_active", "2"),
        ("sv_active", "2"),
        ("sv_idle", "0"),
        ("maxwait", "0"),
        ("pool_mode", "transaction"),
    ] {
        assert_eq!(value(&mut console, "show pools", column), expected, "{column}");
    }
    one.query("COMMIT");
    assert_eq!(three.read().rows, [[Some("3".to_owned())]]);
    two.query("ROLLBACK");
    pooler.settle();
    assert_eq!(value(&mut console, "SHOW POOLS", "sv_idle"), "2");
    assert_eq!(value(&mut console, "SHOW STATS", "total_xact_count"), "3");
    assert_eq!(value(&mut console, "SHOW STATS_TOTALS", "xact_count"), "3");
    assert_ne!(value(&mut console, "SHOW STATS", "total_wait_time"), "0");
    assert_eq!(value(&mut console, "SHOW DATABASES", "port"), server.port.to_string());
    assert_eq!(value(&mut console, "SHOW DATABASES", "pool_size"), "2");
    let config = console.query("SHOW CONFIG").rows;
    let most = config.iter().find(|row| row[0].as_deref() == Some("max_client_conn")).unwrap();
    assert_eq!(most[1..], ["100000", "100000", "no"].map(|text| Some(text.to_owned())));
    let lists = console.query("SHOW LISTS").rows;
    assert!(lists.contains(&vec![Some("used_clients".to_owned()), Some("3".to_owned())]), "{lists:?}");
}

#[test]
fn what_the_console_does_not_know_is_an_error_that_says_what_it_does() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut console = console(&pooler);
    for command in ["SELECT 1", "SHOW NOTHING", "PAUSE", "SET pool_size = 7", "SHOW POOLS; DROP TABLE x"] {
        let reply = console.query(command);
        assert_eq!((reply.code(), reply.status), ("42601", 'I'), "{command}");
        assert!(reply.error.unwrap().1.contains("use SHOW HELP"));
    }
    assert_eq!(console.query("SHOW HELP").kinds, "NCZ");
    assert_eq!(console.query(" ; ").kinds, "IZ");
    assert!(value(&mut console, "SHOW VERSION", "version").starts_with("Selvedge "));
}

#[test]
fn drivers_that_know_only_extended_queries_can_ask_too() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let mut console = console(&pooler);
    go(&mut console, &[parse("s", "SHOW POOLS"), bind("", "s", &[]), execute("", 0), sync()]);
    let reply = console.read();
    assert_eq!((reply.kinds.as_str(), reply.rows[0][0].as_deref()), ("12DCZ", Some("mine")));
    go(&mut console, &[parse("", "SELECT 1"), bind("", "", &[]), execute("", 0), sync()]);
    let reply = console.read();
    assert_eq!((reply.kinds.as_str(), reply.code()), ("EZ", "42601"));
    go(&mut console, &[bind("", "gone", &[]), sync()]);
    assert_eq!(console.read().code(), "26000");
    // A driver that wants numbers as they are.
    let port = pooler.port;
    pooler.block_on(async {
        let settings = format!("host=127.0.0.1 port={port} user=someone dbname=hyperdrive");
        let (client, connection) = tokio_postgres::connect(&settings, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = client.query_one("SHOW POOLS", &[]).await.unwrap();
        assert_eq!((row.get::<_, &str>("database"), row.get::<_, i64>("sv_login")), ("mine", 0));
    });
}

#[test]
fn a_console_is_only_for_who_may_have_one() {
    let Some(server) = Postgres::shared() else { return };
    let pooler = Pooler::new(&server, 1);
    let start = |pooler: &Pooler, user, database| {
        Wire::start(pooler.port, 196_608, &["user", user, "database", database]).1
    };
    assert_eq!(start(&pooler, "somebody else", "pgbouncer").code(), "28P01");
    assert_eq!(start(&pooler, "someone", "another").code(), "3D000");
    let without = Pooler::with(&origin(&server, "postgres", ""), |wishes| wishes.config.console = false);
    assert_eq!(start(&without, "someone", "pgbouncer").code(), "3D000");
}

#[test]
fn psql_reads_it() {
    let Some(server) = Postgres::shared() else { return };
    let Some(psql) = find_or_say("psql", "postgresql-client") else { return };
    let pooler = Pooler::new(&server, 1);
    let said = run(psql, pooler.port, "SHOW POOLS");
    assert!(said.starts_with("database,user,cl_active,cl_waiting,sv_active,"), "{said}");
    assert!(said.ends_with("mine,someone,0,0,0,0,0,0,0,0,0,transaction\n"), "{said}");
}

fn run(psql: PathBuf, port: u16, sql: &str) -> String {
    let output = output(
        command(psql, None)
            .args(["-X", "--csv", "-h", "127.0.0.1", "-U", "someone", "-d", "pgbouncer", "-c", sql, "-p"])
            .arg(port.to_string()),
    );
    String::from_utf8(output.unwrap().stdout).unwrap()
}
