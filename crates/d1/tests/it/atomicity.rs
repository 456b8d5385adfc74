use std::time::Duration;

use selvedge_d1::{Limits, Param, QueryError};

use crate::support::{open, open_with, sql};

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing() {
    let open = open().await;
    open.rows("CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    let insert = |n: i64| sql("INSERT INTO t VALUES (?)", [Param::Integer(n)]);
    let failed = open.run(vec![insert(1), insert(2), insert(1)]).await;
    assert!(matches!(failed, Err(QueryError::Sql(_))), "{failed:?}");
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":0}]");
    assert!(
        open.run(vec![sql("INSERT INTO t VALUES (1); INSERT INTO nosuch VALUES (1)", [])]).await.is_err()
    );
    assert!(open.database.exec("CREATE TABLE u (a); SELEC").await.is_err());
    assert_eq!(
        open.rows("SELECT (SELECT count(*) FROM t) n, count(*) t FROM sqlite_schema").await,
        "[{\"n\":0,\"t\":1}]"
    );
}

#[tokio::test]
async fn a_batch_that_only_reads_sees_one_state() {
    let open = open().await;
    open.rows("CREATE TABLE t (n)").await;
    open.rows("INSERT INTO t VALUES (0)").await;
    let write = async {
        for _ in 0..200 {
            open.rows("UPDATE t SET n = n + 1").await;
        }
    };
    // Long enough for a commit to come between.
    let pause = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT max(i) FROM n";
    let read = async {
        for _ in 0..200 {
            let three = vec![sql("SELECT n FROM t", []), sql(pause, []), sql("SELECT n FROM t -- again", [])];
            let answers = open.run(three).await.unwrap();
            assert_eq!(answers[0].rows, answers[2].rows);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write, read);
}

#[tokio::test]
async fn what_can_undo_a_whole_transaction_undoes_only_its_own() {
    let open = open().await;
    open.rows("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id))").await;
    open.rows("INSERT INTO p VALUES (1)").await;
    let good = async {
        for n in 0..100 {
            open.run(vec![sql("INSERT INTO p VALUES (?)", [Param::Integer(1000 + n)])]).await.unwrap();
        }
    };
    let bad = async {
        for _ in 0..30 {
            let error = open.error("INSERT OR ROLLBACK INTO p VALUES (1)").await;
            assert!(error.starts_with("UNIQUE constraint failed: p.id"), "{error}");
            let deferred = [sql("PRAGMA defer_foreign_keys = on", []), sql("INSERT INTO c VALUES (77)", [])];
            let error = open.run(deferred.into()).await.unwrap_err().to_string();
            assert!(error.ends_with("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"), "{error}");
        }
    };
    tokio::join!(good, bad);
    assert_eq!(
        open.rows("SELECT (SELECT count(*) FROM p) p, (SELECT count(*) FROM c) c").await,
        "[{\"p\":101,\"c\":0}]"
    );

    // The same by the schema, also after the file was opened again.
    open.rows("CREATE TABLE d (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK, p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)").await;
    open.rows("INSERT INTO d VALUES (1, 1)").await;
    let mut open = open;
    for again in [false, true] {
        if again {
            open.reopen().await;
        }
        let database = open.database.clone();
        let query = |text: &str| {
            let statements = vec![sql(text, [])];
            let database = database.clone();
            async move { database.query(statements, selvedge_d1::Format::Objects, None).await }
        };
        let mut tasks = Vec::new();
        for n in 0..60 {
            let text = match n % 3 {
                0 => "INSERT INTO d VALUES (1, 1)".to_owned(),
                1 => "INSERT INTO d (p) VALUES (77)".to_owned(),
                _ => format!("INSERT INTO p DEFAULT VALUES -- {n}"),
            };
            tasks.push((n % 3 == 2, tokio::spawn(query(&text))));
        }
        for (is_good, task) in tasks {
            let answer = task.await.unwrap();
            assert_eq!(answer.is_ok(), is_good, "{answer:?}");
        }
    }
    assert_eq!(
        open.rows("SELECT (SELECT count(*) FROM p) p, (SELECT count(*) FROM d) d").await,
        "[{\"p\":141,\"d\":1}]"
    );
}

#[tokio::test]
async fn a_request_past_its_time_ends_and_leaves_nothing() {
    let limits = Limits { request_time: Duration::from_millis(300), ..Limits::default() };
    let open = open_with(limits).await;
    open.rows("CREATE TABLE t (n)").await;
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    for text in [
        format!("{endless} SELECT count(*) FROM n"),
        format!("INSERT INTO t {endless} SELECT i FROM n"),
        format!("INSERT INTO t VALUES (1); {endless} SELECT count(*) FROM n"),
    ] {
        for _ in 0..2 {
            let error = open.error(&text).await;
            assert_eq!(
                error, "D1 DB storage operation exceeded timeout which caused object to be reset.",
                "{text}"
            );
        }
    }
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":0}]");
    open.rows("INSERT INTO t VALUES (1)").await;
}

#[tokio::test]
async fn an_answer_past_its_size_ends_and_leaves_nothing() {
    let open = open_with(Limits { answer_size: 10_000, ..Limits::default() }).await;
    open.rows("CREATE TABLE t (n)").await;
    let large = sql("INSERT INTO t VALUES (zeroblob(9000)) RETURNING n", []);
    let error = open.run(vec![sql("SELECT 1", []), large]).await.unwrap_err().to_string();
    assert_eq!(error, "D1 DB's isolate exceeded its memory limit and was reset.");
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":0}]");
}

#[tokio::test]
async fn a_pragma_lasts_for_its_request() {
    let open = open().await;
    let both = vec![
        sql("PRAGMA case_sensitive_like = on", []),
        sql("SELECT last_insert_rowid(), 'a' LIKE 'A' x", []),
    ];
    assert!(open.run(both).await.unwrap()[1].rows.ends_with(b"\"x\":0}]"));
    open.rows("CREATE TABLE t (a CHECK (a > 0))").await;
    open.rows("PRAGMA ignore_check_constraints = on; INSERT INTO t VALUES (-1)").await;
    assert!(open.error("INSERT INTO t VALUES (-2)").await.starts_with("CHECK constraint failed"));
    assert!(open.error("PRAGMA ignore_check_constraints = on; SELEC").await.starts_with("near"));
    assert!(open.error("INSERT INTO t VALUES (-2)").await.starts_with("CHECK constraint failed"));
    // A reader prepares it first, to see that the writer has to run it, and that alone sets it.
    open.rows("PRAGMA case_sensitive_like = on").await;
    assert_eq!(open.rows("SELECT 'a' LIKE 'A' x").await, "[{\"x\":1}]");
    assert!(open.rows("SELECT last_insert_rowid(), 'a' LIKE 'A' x").await.ends_with("\"x\":1}]"));
    assert_eq!(open.rows("PRAGMA foreign_keys = off; PRAGMA foreign_keys").await, "[{\"foreign_keys\":1}]");
}
