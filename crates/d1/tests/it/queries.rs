use selvedge_base::SystemClock;
use selvedge_d1::{Format, InsightOrder, InsightQuery, Limits, Param, Store};

use crate::support::{open, open_at, open_with, sql};

#[tokio::test]
async fn a_value_comes_back_as_it_went_in() {
    let open = open().await;
    open.rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v)").await;
    let values = [
        (Param::Null, "null"),
        (Param::Integer(i64::MAX), "9223372036854775807"),
        (Param::Real(0.1), "0.1"),
        (Param::Real(5.0), "5.0"),
        (Param::Text("it's \"é\" \n".to_owned()), r#""it's \"é\" \n""#),
        (Param::Text(String::new()), "\"\""),
        (Param::Blob(vec![0, 255]), "[0,255]"),
        (Param::Blob(vec![]), "[]"),
    ];
    for (value, json) in values {
        let insert = "INSERT INTO t (v) VALUES (?) RETURNING v";
        assert_eq!(open.rows_with(sql(insert, [value.clone()])).await, format!("[{{\"v\":{json}}}]"));
        let back = "SELECT v FROM t WHERE id = (SELECT max(id) FROM t) AND v IS ?1";
        // Once where it is first seen, once from the cache.
        for _ in 0..2 {
            assert_eq!(open.rows_with(sql(back, [value.clone()])).await, format!("[{{\"v\":{json}}}]"));
        }
    }
}

#[tokio::test]
async fn a_read_sees_every_write_that_was_answered() {
    let open = open().await;
    open.rows("CREATE TABLE t (n)").await;
    for n in 1..200 {
        open.run(vec![sql("INSERT INTO t VALUES (?)", [Param::Integer(n)])]).await.unwrap();
        assert_eq!(open.rows("SELECT count(*) n FROM t").await, format!("[{{\"n\":{n}}}]"));
    }
}

#[tokio::test]
async fn what_only_the_writers_connection_knows_is_asked_there() {
    let open = open().await;
    open.rows("CREATE TABLE users (id INTEGER PRIMARY KEY, name); ").await;
    open.rows("CREATE TABLE posts (id INTEGER PRIMARY KEY, user)").await;
    open.rows("INSERT INTO users VALUES (41, 'x')").await;
    let batch = open
        .run(vec![
            sql("INSERT INTO users (name) VALUES (?)", [Param::Text("ada".to_owned())]),
            sql("INSERT INTO posts (user) VALUES (last_insert_rowid()) RETURNING user", []),
            sql("SELECT changes() c", []),
        ])
        .await
        .unwrap();
    assert_eq!(batch[0].meta.last_row_id, 42);
    assert_eq!(batch[1].rows, b"[{\"user\":42}]");
    assert_eq!(batch[2].rows, b"[{\"c\":1}]");
    assert_eq!(open.rows("SELECT last_insert_rowid() id").await, "[{\"id\":1}]");
    open.rows("CREATE VIEW latest AS SELECT last_insert_rowid() id").await;
    for _ in 0..2 {
        assert_eq!(open.rows("SELECT * FROM latest").await, "[{\"id\":1}]");
    }
}

#[tokio::test]
async fn a_view_made_anew_is_read_as_what_it_is_now() {
    let open = open().await;
    open.rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    open.rows("INSERT INTO t VALUES (42)").await;
    open.rows("CREATE VIEW v AS SELECT 1 id").await;
    for _ in 0..3 {
        assert_eq!(open.rows("SELECT * FROM v").await, "[{\"id\":1}]");
    }
    open.rows("DROP VIEW v; CREATE VIEW v AS SELECT last_insert_rowid() id, 2 more").await;
    assert_eq!(open.rows("SELECT * FROM v").await, "[{\"id\":42,\"more\":2}]");
    open.rows("DROP VIEW v").await;
    assert_eq!(open.error("SELECT * FROM v").await, "no such table: v: SQLITE_ERROR");
}

#[tokio::test]
async fn several_statements_in_one_text_answer_with_the_last() {
    let open = open().await;
    open.rows("CREATE TABLE t (a); INSERT INTO t VALUES (1); -- done").await;
    for _ in 0..2 {
        assert_eq!(open.rows("SELECT 1; SELECT min(a) + 1 b FROM t; -- end").await, "[{\"b\":2}]");
        let one = vec![sql("INSERT INTO t VALUES (2); SELECT ?", [Param::Integer(3)])];
        assert_eq!(open.run(one).await.unwrap()[0].meta.changes, 1);
    }
    let not_last = vec![sql("SELECT ?; SELECT ?", [Param::Null])];
    assert!(open.run(not_last).await.unwrap_err().to_string().starts_with("When executing multiple SQL"));
    for text in ["", " ;; ", "-- only", "/* only */"] {
        assert_eq!(open.error(text).await, "No SQL statements detected.");
    }
    let skipped = open.run(vec![sql("-- nothing", []), sql("SELECT 1", [])]).await.unwrap();
    assert_eq!(skipped.len(), 1);
    let answer =
        open.database.exec("CREATE TABLE u (a);\nINSERT INTO u VALUES (';');\nSELECT 1").await.unwrap();
    assert_eq!(answer.outcomes.len(), 3);
}

#[tokio::test]
async fn errors_read_as_cloudflares() {
    let open = open().await;
    open.rows("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, CHECK (id < 100))").await;
    open.rows("INSERT INTO t VALUES (1, 'a')").await;
    for (text, error) in [
        ("SELEC 1", "near \"SELEC\": syntax error at offset 0: SQLITE_ERROR"),
        ("  SELEC 1", "near \"SELEC\": syntax error at offset 2: SQLITE_ERROR"),
        ("SELECT 1; SELEC 2", "near \"SELEC\": syntax error at offset 0: SQLITE_ERROR"),
        ("SELECT a FROM t", "no such column: a at offset 7: SQLITE_ERROR"),
        ("SELECT * FROM nosuch", "no such table: nosuch: SQLITE_ERROR"),
        ("INSERT INTO nosuch VALUES (1)", "no such table: nosuch: SQLITE_ERROR"),
        (
            "INSERT INTO t (name) VALUES ('a')",
            "UNIQUE constraint failed: t.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
        ),
        (
            "INSERT INTO t VALUES (1, 'b')",
            "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)",
        ),
        (
            "INSERT INTO t VALUES (2, NULL)",
            "NOT NULL constraint failed: t.name: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)",
        ),
        (
            "INSERT INTO t VALUES (200, 'c')",
            "CHECK constraint failed: id < 100: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)",
        ),
        ("INSERT INTO t VALUES ('x', 'y')", "datatype mismatch: SQLITE_MISMATCH"),
        ("SELECT abs(-9223372036854775808)", "integer overflow: SQLITE_ERROR"),
        ("SELECT json('{')", "malformed JSON: SQLITE_ERROR"),
        ("ATTACH 'x' AS y", "not authorized: SQLITE_AUTH"),
        ("PRAGMA journal_mode", "not authorized: SQLITE_AUTH"),
        ("CREATE TABLE _cf_x (a)", "not authorized: SQLITE_AUTH"),
        ("ALTER TABLE t RENAME TO _cf_t", "not authorized: SQLITE_AUTH"),
        ("VACUUM", "cannot VACUUM from within a transaction: SQLITE_ERROR"),
        (
            "SELECT sqlite_version()",
            "not authorized to use function: sqlite_version at offset 7: SQLITE_ERROR",
        ),
        ("SELECT ?", "Wrong number of parameter bindings for SQL query."),
        (
            "SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6",
            "too many terms in compound SELECT: SQLITE_ERROR",
        ),
    ] {
        for _ in 0..2 {
            assert_eq!(open.error(text).await, error, "{text}");
        }
    }
    for text in
        ["BEGIN TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT job", "RELEASE job", "END", "BEGIN IMMEDIATE"]
    {
        for _ in 0..2 {
            assert!(
                open.error(text).await.starts_with("To execute a transaction, please use the state"),
                "{text}"
            );
        }
    }
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":1}]");
    assert_eq!(open.rows("SELECT name FROM sqlite_schema WHERE name LIKE '\\_cf%' ESCAPE '\\'").await, "[]");
}

#[tokio::test]
async fn meta_tells_what_happened() {
    let open = open().await;
    let created = open.one("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b)").await.meta;
    assert!(created.changed_db && created.changes == 0 && created.size_after > 0, "{created:?}");
    let inserted = open.one("INSERT INTO t (a, b) VALUES (1, 1), (2, 2), (3, 3)").await.meta;
    assert_eq!((inserted.changes, inserted.last_row_id, inserted.rows_written), (3, 3, 6));
    let updated = open.one("UPDATE t SET b = 0").await.meta;
    assert_eq!((updated.changes, updated.rows_written), (3, 3), "no index has b");
    let updated = open.one("UPDATE t SET a = a + 10").await.meta;
    assert_eq!((updated.changes, updated.rows_written), (3, 6));
    let read = open.one("SELECT * FROM t WHERE id = 1").await.meta;
    assert_eq!((read.rows_read, read.rows_written, read.changes, read.changed_db), (1, 0, 0, false));
    assert_eq!((read.last_row_id, read.size_after), (3, updated.size_after));
    assert_eq!((read.served_by, read.served_by_primary), ("selvedge", true));
    assert!(
        open.one("SELECT * FROM t WHERE b = 7").await.meta.rows_read >= 2,
        "a scan finds nothing and reads all"
    );
    let nothing = open.one("UPDATE t SET b = 1 WHERE id = 99").await.meta;
    assert!(!nothing.changed_db);
    let deleted = open.one("DELETE FROM t WHERE id = 3").await.meta;
    assert_eq!((deleted.changes, deleted.rows_written), (1, 1), "an index entry that goes is not counted");
    open.rows("CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO t (a) VALUES (old.id); END").await;
    assert_eq!(open.one("DELETE FROM t WHERE id = 1").await.meta.changes, 2, "the trigger's row counts");
    let dropped = open.one("DROP TABLE t").await.meta;
    assert!(dropped.changed_db && dropped.size_after < nothing.size_after, "free pages are not counted");
}

#[tokio::test]
async fn a_reader_that_has_not_heard_of_a_new_schema_refuses_nothing() {
    let open = open().await;
    open.rows("CREATE TABLE t (a)").await;
    open.rows("CREATE VIEW v AS SELECT a FROM t").await;
    assert_eq!(open.rows("SELECT * FROM v").await, "[]");
    let trigger = "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a); END";
    open.rows(trigger).await;
    open.rows("INSERT INTO v VALUES (1)").await;
    assert_eq!(open.rows("SELECT a FROM t").await, "[{\"a\":1}]");
    open.rows("ALTER TABLE t ADD COLUMN b").await;
    open.rows("INSERT INTO t VALUES (2, 3)").await;
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":2}]");
}

#[tokio::test]
async fn bookmarks_come_to_sessions_and_rise_across_a_restart() {
    let open = open().await;
    let mut bookmarks = Vec::new();
    let mut ask = async |database: &selvedge_d1::Database, text: &str, session: Option<&str>| {
        let answer = database.query(vec![sql(text, [])], Format::Objects, session).await.unwrap();
        bookmarks.extend(answer.bookmark);
    };
    ask(&open.database, "CREATE TABLE t (a)", None).await;
    ask(&open.database, "SELECT 1", Some(" ")).await;
    ask(&open.database, "SELECT 1", Some("first-unconstrained")).await;
    ask(&open.database, "INSERT INTO t VALUES (1)", Some("first-primary")).await;
    ask(&open.database, "SELECT 1", Some("any bookmark")).await;
    let after_write = 1;
    let crate::support::Open { database, directory } = open;
    drop(database);
    let reopened = open_at(directory.path(), Limits::default()).await;
    ask(&reopened, "SELECT 1", Some("first-primary")).await;
    assert_eq!(bookmarks.len(), 4, "{bookmarks:?}");
    assert!(bookmarks[0] < bookmarks[after_write]);
    assert!(bookmarks[1..].iter().all(|bookmark| *bookmark == bookmarks[after_write]), "{bookmarks:?}");
}

#[tokio::test]
async fn a_slow_read_is_finished_all_the_same() {
    let open = open().await;
    let slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
                SELECT count(*) c FROM n";
    for _ in 0..3 {
        assert_eq!(open.rows(slow).await, "[{\"c\":300000}]");
    }
}

#[tokio::test]
async fn a_full_queue_and_a_full_database_say_so() {
    let limits = Limits { database_size: 100 * 4096, ..Limits::default() };
    let open = open_with(limits).await;
    open.rows("CREATE TABLE t (a)").await;
    let fill = || vec![sql("INSERT INTO t VALUES (zeroblob(100000))", [])];
    let mut refused = None;
    for _ in 0..10 {
        if let Err(error) = open.run(fill()).await {
            refused = Some(error.to_string());
        }
    }
    assert_eq!(refused.as_deref(), Some("Exceeded maximum DB size."));
    assert_eq!(open.rows("SELECT count(*) > 0 n FROM t").await, "[{\"n\":1}]");
    open.rows("DELETE FROM t").await;

    let open = open_with(Limits { queue: 1, ..Limits::default() }).await;
    open.rows("CREATE TABLE t (a)").await;
    let slow =
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
                SELECT count(*) FROM n";
    let mut requests: Vec<_> = (0..8).map(|_| Box::pin(open.run(vec![sql(slow, [])]))).collect();
    let mut texts = Vec::new();
    // All are sent before the first is answered.
    for request in &mut requests {
        if let std::task::Poll::Ready(answer) = futures_poll(request.as_mut()).await {
            texts.extend(answer.err().map(|e| e.to_string()));
        }
    }
    drop(requests);
    assert!(texts.iter().any(|text| text == "D1 DB is overloaded. Too many requests queued."), "{texts:?}");
}

/// Polls once.
async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn what_costs_the_most_is_known() {
    let open = open().await;
    open.rows("CREATE TABLE t (id INTEGER PRIMARY KEY, a)").await;
    for n in 0..20 {
        open.run(vec![sql("INSERT INTO t (a) VALUES (?)", [Param::Integer(n)])]).await.unwrap();
        open.rows(&format!("SELECT * FROM t WHERE a = {n}")).await;
        open.rows_with(sql("SELECT * FROM t WHERE id = ?1", [Param::Integer(n)])).await;
    }
    open.error("SELECT nosuch FROM t").await;
    let by = |order| {
        let top = open.database.insights(InsightQuery { order, limit: 3, ..InsightQuery::default() });
        serde_json::to_value(top).unwrap()
    };
    let reads = by(InsightOrder::Reads);
    assert_eq!(reads[0]["query"], "SELECT * FROM t WHERE a = ?");
    assert_eq!(reads[0]["numberOfTimesRun"], 20);
    assert_eq!(reads[0]["totalRowsRead"], (1..=20).sum::<i32>());
    assert_eq!(reads[0]["avgRowsRead"], 10.5);
    assert!(reads[0]["queryEfficiency"].as_f64().unwrap() < 0.1);
    assert_eq!(by(InsightOrder::Writes)[0]["query"], "INSERT INTO t (a) VALUES (?)");
    assert_eq!(by(InsightOrder::Writes)[0]["totalRowsWritten"], 20);
    assert!(by(InsightOrder::Time)[0]["totalDurationMs"].as_f64().unwrap() > 0.0);
    assert_eq!(by(InsightOrder::Count)[0]["numberOfTimesRun"], 20);
}

#[tokio::test]
async fn a_database_may_have_limits_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), SystemClock::shared(), Limits::default()).unwrap();
    let mut wide = Limits::default();
    wide.sql.value_length = 3_000_000;
    wide.sql.parameters = 200;
    store.limit("wide", wide);
    let ask = async |id: &str, text: &str| {
        let database = store.database(id).await.unwrap();
        let answer = database.query(vec![sql(text, [])], Format::Objects, None).await;
        answer.map(|_| ()).map_err(|error| error.to_string())
    };
    for text in ["SELECT length(zeroblob(2500000))", "CREATE TABLE t AS SELECT zeroblob(2500000) b"] {
        assert_eq!(ask("wide", text).await, Ok(()), "readers and the writer have them");
        assert_eq!(ask("other", text).await.unwrap_err(), "string or blob too big: SQLITE_TOOBIG");
    }
    assert_eq!(
        ask("wide", "SELECT ?150").await.unwrap_err(),
        "Wrong number of parameter bindings for SQL query."
    );
    assert!(ask("other", "SELECT ?150").await.unwrap_err().starts_with("variable number must be between"));
}
