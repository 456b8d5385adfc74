use std::error::Error as _;
use std::path::Path;

use selvedge_d1::{MigrateError, Param};

use crate::support::{open, sql};

fn file(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

#[tokio::test]
async fn files_are_applied_once_in_the_order_of_their_names() {
    let open = open().await;
    let directory = tempfile::tempdir().unwrap();
    file(
        directory.path(),
        "0002_rows.sql",
        "INSERT INTO t VALUES (1, ';'); -- one\nINSERT INTO t VALUES (2, 'x');",
    );
    file(
        directory.path(),
        "0001_schema.sql",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a);\nCREATE TABLE log (n);\n
         CREATE TRIGGER tr AFTER INSERT ON t BEGIN\n  INSERT INTO log VALUES (new.id);\n  SELECT 1;\nEND;",
    );
    file(directory.path(), "notes.txt", "not SQL");
    let applied = open.database.migrate(directory.path(), "d1_migrations").await.unwrap();
    assert_eq!(applied, ["0001_schema.sql", "0002_rows.sql"]);
    file(directory.path(), "0003_empty.sql", "-- nothing yet");
    let applied = open.database.migrate(directory.path(), "d1_migrations").await.unwrap();
    assert_eq!(applied, ["0003_empty.sql"]);
    assert_eq!(open.rows("SELECT count(*) n FROM log").await, "[{\"n\":2}]");
    assert_eq!(
        open.rows("SELECT group_concat(id || name, ' ') n FROM d1_migrations WHERE applied_at IS NOT NULL")
            .await,
        "[{\"n\":\"10001_schema.sql 20002_rows.sql 30003_empty.sql\"}]"
    );
}

#[tokio::test]
async fn a_file_that_fails_is_named_and_leaves_nothing() {
    let open = open().await;
    let directory = tempfile::tempdir().unwrap();
    file(directory.path(), "0001_good.sql", "CREATE TABLE t (a)");
    file(directory.path(), "0002_bad.sql", "CREATE TABLE u (a);\n\nINSERT INTO\n  nosuch VALUES (1);");
    let failed = open.database.migrate(directory.path(), "my migrations").await.unwrap_err();
    assert_eq!(failed.to_string(), "0002_bad.sql, line 3: INSERT INTO nosuch VALUES (1)");
    assert_eq!(failed.source().unwrap().to_string(), "no such table: nosuch: SQLITE_ERROR");
    let count = |name: &str| {
        sql("SELECT count(*) n FROM sqlite_schema WHERE name = ?", [Param::Text(name.to_owned())])
    };
    assert_eq!(open.rows_with(count("t")).await, "[{\"n\":1}]");
    assert_eq!(open.rows_with(count("u")).await, "[{\"n\":0}]");
    assert_eq!(open.rows("SELECT name FROM \"my migrations\"").await, "[{\"name\":\"0001_good.sql\"}]");

    file(directory.path(), "0002_bad.sql", "BEGIN TRANSACTION; CREATE TABLE u (a); COMMIT;");
    let failed = open.database.migrate(directory.path(), "my migrations").await.unwrap_err();
    assert!(failed.source().unwrap().to_string().starts_with("To execute a transaction"));
    file(
        directory.path(),
        "0002_bad.sql",
        "PRAGMA defer_foreign_keys = on; CREATE TABLE u (a REFERENCES t (nosuch)); CREATE TABLE v (a);",
    );
    assert_eq!(open.database.migrate(directory.path(), "my migrations").await.unwrap(), ["0002_bad.sql"]);
}

#[tokio::test]
async fn a_file_longer_than_a_statement_may_be_is_no_problem() {
    let open = open().await;
    let directory = tempfile::tempdir().unwrap();
    let rows: Vec<String> =
        (0..3000).map(|n| format!("INSERT INTO t VALUES ({n}, '{}');", "x".repeat(50))).collect();
    let rows = rows.join("\n");
    file(directory.path(), "0001.sql", &format!("CREATE TABLE t (a, b);\n{rows}"));
    open.database.migrate(directory.path(), "d1_migrations").await.unwrap();
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":3000}]");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let open = open().await;
    let directory = tempfile::tempdir().unwrap();
    let missing = open.database.migrate(&directory.path().join("nosuch"), "m").await;
    assert!(matches!(missing, Err(MigrateError::Read { .. })), "{missing:?}");
    std::fs::write(directory.path().join("0001.sql"), b"SELECT '\xff'").unwrap();
    let failed = open.database.migrate(directory.path(), "m").await.unwrap_err();
    assert!(failed.to_string().ends_with("0001.sql is not UTF-8 text"), "{failed}");
}
