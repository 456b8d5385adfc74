use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::lists::{BUILT_IN_TABLES, CONNECTION_STATE, FUNCTIONS, INSPECTING, MODULES, READ_ONLY, SETTING};
use super::*;

fn connection() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE _cf_KV (key TEXT, value BLOB);
             CREATE TABLE p (id INTEGER PRIMARY KEY, t REFERENCES t (id));",
        )
        .unwrap();
    install(&mut connection, &Limits::default()).unwrap();
    connection
}

/// Prepares and runs one statement as a user; the error's text, if any.
fn run(connection: &Connection, sql: &str) -> Result<Seen, String> {
    as_user(Instant::now() + Duration::from_secs(20), || {
        let mut statement = connection.prepare(sql).map_err(|e| e.to_string())?;
        let seen = seen();
        let mut rows = statement.query([]).map_err(|e| e.to_string())?;
        while rows.next().map_err(|e| e.to_string())?.is_some() {}
        Ok(seen)
    })
}

fn is_refused(connection: &Connection, sql: &str) -> bool {
    run(connection, sql).is_err_and(|e| e.contains("not authorized") || e.contains("prohibited"))
}

#[test]
fn the_lists_are_sorted_as_the_search_needs_them() {
    for list in [BUILT_IN_TABLES, CONNECTION_STATE, FUNCTIONS, INSPECTING, MODULES, READ_ONLY, SETTING] {
        assert!(list.is_sorted(), "{list:?}");
    }
}

#[test]
fn every_function_of_this_sqlite_is_allowed_or_refused_by_the_list() {
    let connection = connection();
    let names: Vec<String> = connection
        .prepare("SELECT DISTINCT name FROM pragma_function_list")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut allowed = 0;
    for name in names {
        // The authorizer is asked once the number of arguments fits.
        let calls = ["", "1", "1,1", "1,1,1", "'main','t'", "1,1,1,1"];
        let windows = ["", " OVER ()"];
        let is_listed = FUNCTIONS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok();
        let refused = calls.iter().any(|arguments| {
            windows.iter().any(|window| {
                let sql = format!("SELECT \"{name}\"({arguments}){window}");
                run(&connection, &sql).is_err_and(|e| e.contains("not authorized to use function"))
            })
        });
        assert!(!(is_listed && refused), "{name} is listed and refused");
        if !is_listed && !name.starts_with("fts") {
            let never_fits = calls.iter().all(|arguments| {
                let text = run(&connection, &format!("SELECT \"{name}\"({arguments})")).unwrap_err();
                text.contains("wrong number of arguments") || text.contains("no such function")
            });
            assert!(refused || never_fits, "{name} is not listed and allowed");
        }
        allowed += u32::from(is_listed && !refused);
    }
    assert!(allowed > 100, "{allowed}");
    for name in ["sqlite_version", "sqlite_source_id", "load_extension", "log10", "fts3_tokenizer"] {
        assert!(FUNCTIONS.binary_search(&name).is_err());
    }
}

#[test]
fn every_pragma_of_this_sqlite_is_allowed_or_refused_by_the_list() {
    let connection = connection();
    let names: Vec<String> = connection
        .prepare("SELECT name FROM pragma_pragma_list")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(names.len() > 50);
    for name in names {
        let may_read = [INSPECTING, SETTING, READ_ONLY].iter().any(|list| list.contains(&name.as_str()));
        let may_set = [INSPECTING, SETTING].iter().any(|list| list.contains(&name.as_str()));
        // `encoding` and its like say "not authorized" from the authorizer alone.
        assert_eq!(!is_refused(&connection, &format!("PRAGMA {name}")), may_read, "{name}");
        assert_eq!(!is_refused(&connection, &format!("PRAGMA {name}=t")), may_set, "{name}=t");
    }
    assert!(is_refused(&connection, "SELECT * FROM pragma_function_list"));
    run(&connection, "SELECT * FROM pragma_table_info('t')").unwrap();
}

#[test]
fn virtual_tables_come_from_four_modules() {
    let connection = connection();
    for module in ["fts5(a)", "rtree(id, a, b)", "rtree_i32(id, a, b)"] {
        run(&connection, &format!("CREATE VIRTUAL TABLE v USING {module}")).unwrap();
        run(&connection, "SELECT * FROM v").unwrap();
        run(&connection, "DROP TABLE v").unwrap();
    }
    run(&connection, "CREATE VIRTUAL TABLE f USING fts5(a)").unwrap();
    run(&connection, "CREATE VIRTUAL TABLE w USING fts5vocab('f', 'row')").unwrap();
    run(&connection, "INSERT INTO f VALUES ('one two')").unwrap();
    run(&connection, "SELECT term FROM w").unwrap();
    run(&connection, "SELECT highlight(f, 0, '<', '>'), rank FROM f WHERE f MATCH 'one' ORDER BY rank")
        .unwrap();
    run(&connection, "INSERT INTO f (f) VALUES ('optimize')").unwrap();
    for module in ["fts3(a)", "fts4(a)", "dbstat", "nosuch"] {
        assert!(is_refused(&connection, &format!("CREATE VIRTUAL TABLE x USING {module}")), "{module}");
    }
    run(&connection, "SELECT * FROM json_each('[1]'), json_tree('{}')").unwrap();
    // Defensive mode: a shadow table is only written through its virtual table.
    assert!(run(&connection, "DELETE FROM f_data").is_err());
}

#[test]
fn whole_pages_are_not_for_users() {
    let connection = connection();
    for sql in [
        "SELECT data FROM sqlite_dbpage",
        "SELECT count(*) FROM SQLite_DBPage",
        "INSERT INTO sqlite_dbpage (pgno, data) VALUES (2, NULL)",
        "UPDATE sqlite_dbpage SET data = zeroblob(4096)",
        "DELETE FROM sqlite_dbpage",
        "CREATE VIRTUAL TABLE x USING sqlite_dbpage",
        "WITH p AS (SELECT * FROM sqlite_dbpage) SELECT 1 FROM p",
    ] {
        assert!(is_refused(&connection, sql), "{sql}");
    }
}

#[test]
fn reserved_names_cannot_be_read_written_or_made() {
    let connection = connection();
    for sql in [
        "SELECT value FROM _cf_KV",
        "SELECT count(*) FROM _CF_kv",
        "INSERT INTO _cf_KV VALUES (1, 2)",
        "UPDATE _cf_KV SET value = 1",
        "DELETE FROM _cf_KV",
        "DROP TABLE _cf_KV",
        "ALTER TABLE _cf_KV ADD COLUMN x",
        "CREATE TABLE _cf_x (a)",
        "CREATE INDEX _cf_i ON t (a)",
        "CREATE VIEW _cf_v AS SELECT 1",
        "CREATE TRIGGER x AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
    ] {
        assert!(is_refused(&connection, sql), "{sql}: {:?}", run(&connection, sql));
    }
    assert_eq!(
        run(&connection, "SELECT * FROM _cf_KV").unwrap_err().split(" in SELECT").next(),
        Some("access to _cf_KV.key is prohibited")
    );
    run(&connection, "CREATE VIEW through AS SELECT * FROM _cf_KV").unwrap();
    assert!(is_refused(&connection, "SELECT * FROM through"), "a view opens no door");
    run(&connection, "CREATE TABLE a_cf_ (x)").unwrap();
    // The authorizer does not hear the new name, so the caller counts.
    assert_eq!(reserved_names(&connection).unwrap(), 1);
    run(&connection, "ALTER TABLE t RENAME TO _cf_t").unwrap();
    assert_eq!(reserved_names(&connection).unwrap(), 2);
}

#[test]
fn other_files_other_transactions_and_the_schema_itself_are_out_of_reach() {
    let connection = connection();
    for sql in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s", "RELEASE s", "ROLLBACK TO s", "BEGIN IMMEDIATE"]
    {
        let text = as_user(Instant::now(), || {
            assert!(connection.prepare(sql).is_err(), "{sql}");
            seen()
        });
        assert!(text.transaction, "{sql}");
    }
    for sql in [
        "ATTACH 'x' AS y",
        "DETACH main",
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE temp.x (a)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "CREATE VIEW temp.x AS SELECT 1",
        "CREATE TRIGGER temp.x AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE temp.x USING fts5(a)",
    ] {
        assert!(is_refused(&connection, sql), "{sql}");
    }
    assert!(run(&connection, "UPDATE sqlite_schema SET sql = 'x'").is_err());
    assert!(run(&connection, "INSERT INTO sqlite_schema VALUES (1, 1, 1, 1, 1)").is_err());
    // Our own statements on the same connection are not asked.
    connection.execute_batch("SAVEPOINT job; RELEASE job; BEGIN; COMMIT; SELECT sqlite_version()").unwrap();
}

#[test]
fn what_a_statement_needs_is_seen() {
    let connection = connection();
    let seen = |sql: &str| run(&connection, sql).unwrap();
    assert_eq!(seen("SELECT a FROM t"), Seen::default());
    assert!(seen("SELECT last_insert_rowid()").connection_state);
    assert!(seen("SELECT CHANGES()").connection_state);
    assert!(seen("PRAGMA case_sensitive_like = 1").pragma);
    assert!(!seen("PRAGMA table_info(t)").pragma);
    assert!(seen("CREATE TABLE u (a)").schema);
}

#[test]
fn a_statement_is_interrupted_at_its_deadline_and_only_as_a_user() {
    let connection = connection();
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
                   SELECT count(*) FROM n";
    let text = as_user(Instant::now(), || {
        connection.query_row(endless, [], |row| row.get::<_, i64>(0)).unwrap_err().to_string()
    });
    assert_eq!(text, "interrupted");
    assert_eq!(connection.query_row(endless, [], |row| row.get::<_, i64>(0)).unwrap(), 100_000);
}

#[test]
fn the_limits_are_cloudflares() {
    let connection = connection();
    let text = |sql: &str| run(&connection, sql).unwrap_err();
    assert!(text("SELECT ?101").starts_with("variable number must be between ?1 and ?100"));
    assert_eq!(
        text("SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6"),
        "too many terms in compound SELECT"
    );
    assert_eq!(text(&format!("SELECT 'a' LIKE '{}'", "x".repeat(51))), "LIKE or GLOB pattern too complex");
    assert_eq!(text(&format!("SELECT '{}'", "x".repeat(100_000))), "statement too long");
    let columns: Vec<String> = (0..101).map(|n| format!("c{n}")).collect();
    assert_eq!(text(&format!("CREATE TABLE wide ({})", columns.join(", "))), "too many columns on wide");
    assert_eq!(
        text(&format!("SELECT zeroblob({})", Limits::default().value_length + 1)),
        "string or blob too big"
    );
    assert!(text("INSERT INTO p (t) VALUES (9)").contains("FOREIGN KEY constraint failed"));
}

#[test]
fn temporary_files_end_at_a_thousand_values() {
    let connection = connection();
    let limits = Limits { value_length: 10_000, ..Limits::default() };
    limits.set(&connection).unwrap();
    // 50 MB, to be sorted or to be told apart.
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                SELECT i || hex(zeroblob(2500)) AS v FROM n";
    for sql in [
        format!("SELECT v FROM ({rows}) ORDER BY v DESC"),
        format!("SELECT count(*) FROM (SELECT DISTINCT v FROM ({rows}))"),
        format!("WITH m AS MATERIALIZED ({rows}) SELECT count(*) FROM m a, m b"),
    ] {
        assert_eq!(run(&connection, &sql).unwrap_err(), "database or disk is full", "{sql}");
    }
    Limits::default().set(&connection).unwrap();
    run(&connection, &format!("SELECT v FROM ({rows}) ORDER BY v DESC")).unwrap();
}

#[test]
fn rows_are_counted_as_cloudflare_counts_them() {
    let connection = connection();
    run(&connection, "CREATE INDEX t_a ON t (a)").unwrap();
    let counts = |sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while rows.next().unwrap().is_some() {}
        drop(rows);
        let Counts { read, written } = Counts::take(&statement);
        assert_eq!(Counts::take(&statement), Counts::default(), "they are taken");
        (read, written)
    };
    assert_eq!(counts("INSERT INTO t (a) VALUES ('x'), ('y'), ('z')"), (0, 6));
    assert_eq!(counts("SELECT * FROM t"), (3, 0));
    assert_eq!(counts("SELECT * FROM t WHERE id = 2"), (1, 0));
    assert_eq!(counts("SELECT id FROM t WHERE a = 'y'"), (2, 0), "and the entry after it");
    assert_eq!(counts("SELECT count(*) FROM t"), (3, 0));
    assert_eq!(counts("UPDATE t SET a = 'w' WHERE id = 2"), (1, 2));
    assert_eq!(counts("DELETE FROM t WHERE id = 2"), (2, 1));
}
