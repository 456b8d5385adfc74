//! Transactions that clients hold open by name, and checks, on a store.

use std::time::Duration;

use selvedge_base::SystemClock;
use selvedge_d1::{Format, Limits, QueryError, Statement, Store};

const LONG: Duration = Duration::from_mins(5);

#[tokio::test]
async fn one_that_is_over_is_known_for_what_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SystemClock::shared();
    let store = Store::open(directory.path(), clock.clone(), Limits::default()).unwrap();
    let database = store.database("shop").await.unwrap();
    database.exec("CREATE TABLE t (n)").await.unwrap();
    let all = store.transactions();
    let insert = || vec![Statement::new("INSERT INTO t VALUES (1)")];

    let id = all.begin("shop", &database, LONG, Duration::from_millis(30), &*clock).await.unwrap();
    all.query("shop", &id, insert(), Format::Objects).await.unwrap();
    // It ends although nobody says so: the next one gets its turn.
    let second = all.begin("shop", &database, LONG, LONG, &*clock).await.unwrap();
    let late = all.query("shop", &id, insert(), Format::Objects).await.unwrap_err();
    assert!(matches!(late, QueryError::TransactionTimeout), "{late}");
    assert!(matches!(all.commit("shop", &id).await, Err(QueryError::TransactionTimeout)));
    // Of another database, it is not there.
    let other = all.query("other", &second, insert(), Format::Objects).await.unwrap_err();
    assert!(matches!(other, QueryError::NoSuchTransaction), "{other}");
    all.query("shop", &second, insert(), Format::Objects).await.unwrap();
    all.commit("shop", &second).await.unwrap();
    assert!(matches!(all.rollback("shop", &second).await, Err(QueryError::NoSuchTransaction)));

    // Who goes away while waiting leaves nothing behind.
    let third = all.begin("shop", &database, LONG, LONG, &*clock).await.unwrap();
    for _ in 0..200 {
        let waiting = all.begin("shop", &database, LONG, LONG, &*clock);
        assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
    }
    all.rollback("shop", &third).await.unwrap();
    let fourth = all.begin("shop", &database, LONG, LONG, &*clock).await.unwrap();
    all.query("shop", &fourth, insert(), Format::Objects).await.unwrap();
    all.commit("shop", &fourth).await.unwrap();
    let counted = database.exec("SELECT count(*) AS n FROM t").await.unwrap().outcomes.remove(0);
    assert_eq!(String::from_utf8(counted.rows).unwrap(), "[{\"n\":2}]");
}
