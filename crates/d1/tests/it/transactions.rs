//! Transactions that a client holds open.

use std::time::Duration;

use selvedge_d1::{Format, Limits, QueryError, Transaction};

use crate::support::{Open, open, open_with, sql};

async fn with_transactions(time: Duration) -> Open {
    let open = open_with(Limits { transaction_time: Some(time), ..Limits::default() }).await;
    open.rows("CREATE TABLE t (n INTEGER PRIMARY KEY)").await;
    open
}

const LONG: Duration = Duration::from_mins(5);

async fn run(transaction: &mut Transaction, text: &str) -> Result<String, QueryError> {
    let outcomes = transaction.query(vec![sql(text, [])], Format::Objects).await?;
    Ok(String::from_utf8(outcomes.into_iter().next().unwrap().rows).unwrap())
}

#[tokio::test]
async fn there_are_none_unless_they_are_allowed() {
    let open = open().await;
    assert!(matches!(open.database.transaction().await, Err(QueryError::NoTransactions)));
}

#[tokio::test]
async fn nobody_sees_one_before_its_commit_and_everybody_after_it() {
    let open = with_transactions(LONG).await;
    let mut transaction = open.database.transaction().await.unwrap();
    run(&mut transaction, "INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(run(&mut transaction, "SELECT count(*) n FROM t").await.unwrap(), "[{\"n\":1}]");
    assert_eq!(open.rows("SELECT count(*) n FROM t").await, "[{\"n\":0}]");
    run(&mut transaction, "CREATE TABLE u (a); INSERT INTO u VALUES (7)").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(open.rows("SELECT n, a FROM t, u").await, "[{\"n\":1,\"a\":7}]");
}

#[tokio::test]
async fn a_statement_that_fails_undoes_itself_and_not_the_rest() {
    let open = with_transactions(LONG).await;
    let mut transaction = open.database.transaction().await.unwrap();
    run(&mut transaction, "INSERT INTO t VALUES (1)").await.unwrap();
    let failed = transaction
        .query(
            vec![sql("INSERT INTO t VALUES (2)", []), sql("INSERT INTO t VALUES (1)", [])],
            Format::Objects,
        )
        .await;
    assert!(failed.unwrap_err().to_string().starts_with("UNIQUE constraint failed: t.n"));
    let begin = run(&mut transaction, "BEGIN").await.unwrap_err();
    assert!(matches!(begin, QueryError::Transaction), "it is still a user's SQL: {begin}");
    run(&mut transaction, "INSERT INTO t VALUES (3)").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(open.rows("SELECT group_concat(n) n FROM t").await, "[{\"n\":\"1,3\"}]");
}

#[tokio::test]
async fn what_is_rolled_back_or_dropped_was_never_there_and_lets_the_next_one_in() {
    let open = with_transactions(LONG).await;
    let mut first = open.database.transaction().await.unwrap();
    run(&mut first, "INSERT INTO t VALUES (1)").await.unwrap();
    first.rollback().await;
    let mut second = open.database.transaction().await.unwrap();
    run(&mut second, "INSERT INTO t VALUES (2)").await.unwrap();
    drop(second);
    // A write waits for the writer.
    open.rows("INSERT INTO t VALUES (4)").await;
    assert_eq!(open.rows("SELECT group_concat(n) n FROM t").await, "[{\"n\":\"4\"}]");
}

#[tokio::test]
async fn one_that_takes_too_long_is_undone_and_told() {
    let open = with_transactions(Duration::from_millis(200)).await;
    // Idle.
    let mut idle = open.database.transaction().await.unwrap();
    run(&mut idle, "INSERT INTO t VALUES (1)").await.unwrap();
    open.rows("INSERT INTO t VALUES (2)").await;
    let late = run(&mut idle, "INSERT INTO t VALUES (3)").await.unwrap_err();
    assert!(matches!(late, QueryError::TransactionTimeout), "{late}");
    // Busy.
    let mut busy = open.database.transaction().await.unwrap();
    let endless =
        "INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let late = run(&mut busy, endless).await.unwrap_err();
    assert!(matches!(late, QueryError::TransactionTimeout), "{late}");
    assert!(busy.commit().await.is_err());
    // At its commit.
    let idle = open.database.transaction().await.unwrap();
    open.rows("INSERT INTO t VALUES (5)").await;
    assert!(matches!(idle.commit().await, Err(QueryError::TransactionTimeout)));
    assert_eq!(open.rows("SELECT group_concat(n) n FROM t").await, "[{\"n\":\"2,5\"}]");
}

#[tokio::test]
async fn a_constraint_that_waits_for_the_commit_fails_it() {
    let open = with_transactions(LONG).await;
    open.rows("CREATE TABLE c (n REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)").await;
    let mut transaction = open.database.transaction().await.unwrap();
    run(&mut transaction, "INSERT INTO c VALUES (9)").await.unwrap();
    assert!(transaction.commit().await.unwrap_err().to_string().contains("FOREIGN KEY constraint failed"));
    assert_eq!(open.rows("SELECT count(*) n FROM c").await, "[{\"n\":0}]");
}
