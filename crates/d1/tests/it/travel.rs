use std::sync::Arc;

use selvedge_base::{ManualClock, Millis, SharedClock};
use selvedge_d1::{Database, Format, Limits, Settings, Statement, Store, Target, TravelError};

const START: u64 = 1_800_000_000_000;

struct Shop {
    store: Store,
    database: Database,
    clock: Arc<ManualClock>,
    _directory: tempfile::TempDir,
}

async fn shop() -> Shop {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Millis(START));
    let shared: SharedClock = clock.clone();
    let store = Store::open(directory.path(), shared, Limits::default()).unwrap();
    let database = store.database("shop").await.unwrap();
    Shop { store, database, clock, _directory: directory }
}

async fn ask(database: &Database, sql: &str, session: &str) -> (String, String) {
    let answer = database.query(vec![Statement::new(sql)], Format::Objects, Some(session)).await;
    let mut answer = answer.unwrap_or_else(|e| panic!("{sql}: {e}"));
    (String::from_utf8(answer.outcomes.remove(0).rows).unwrap(), answer.bookmark.unwrap())
}

async fn rows(database: &Database, sql: &str) -> String {
    ask(database, sql, "first-primary").await.0
}

#[tokio::test]
async fn a_mistake_can_be_taken_back_by_bookmark_or_time_and_put_back() {
    let shop = shop().await;
    let db = &shop.database;
    rows(db, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item)").await;
    let (_, good) = ask(db, "INSERT INTO orders (item) VALUES ('hat'), ('coat')", "first-primary").await;
    shop.clock.advance(60_000);
    rows(db, "DELETE FROM orders").await;
    rows(db, "DROP TABLE orders").await;

    let moment = db.moment(&Target::Time(Millis(START + 30_000))).await.unwrap();
    assert_eq!((moment.bookmark.as_str(), moment.time), (good.as_str(), Millis(START)));
    let restored = db.restore(&Target::Bookmark(good.clone())).await.unwrap();
    assert_eq!(restored.to, moment);
    let (found, after) = ask(db, "SELECT item FROM orders ORDER BY id", &good).await;
    assert_eq!(found, "[{\"item\":\"hat\"},{\"item\":\"coat\"}]");
    assert!(after >= restored.bookmark && restored.bookmark > restored.previous_bookmark);
    // Writes go on where the old state was.
    assert_eq!(rows(db, "INSERT INTO orders (item) VALUES ('shoe') RETURNING id").await, "[{\"id\":3}]");

    let undone = db.restore(&Target::Bookmark(restored.previous_bookmark)).await.unwrap();
    let gone = db.query(vec![Statement::new("SELECT * FROM orders")], Format::Objects, None).await;
    assert!(gone.unwrap_err().to_string().starts_with("no such table: orders"));
    db.restore(&Target::Time(Millis(START))).await.unwrap();
    assert_eq!(rows(db, "SELECT count(*) n FROM orders").await, "[{\"n\":2}]");
    db.restore(&Target::Bookmark(undone.previous_bookmark)).await.unwrap();
    assert_eq!(rows(db, "SELECT count(*) n FROM orders").await, "[{\"n\":3}]");
}

#[tokio::test]
async fn a_fork_is_what_the_database_was_and_goes_its_own_way() {
    let shop = shop().await;
    let db = &shop.database;
    rows(db, "CREATE TABLE t (n)").await;
    rows(db, "INSERT INTO t VALUES (1)").await;
    let then = db.bookmark().unwrap();
    rows(db, "INSERT INTO t VALUES (2)").await;
    shop.clock.advance(5000);
    let forked = shop.store.fork("shop", &Target::Bookmark(then.clone()), "copy").await.unwrap();
    assert_eq!(forked.bookmark, then);
    let copy = shop.store.database("copy").await.unwrap();
    assert_eq!(rows(&copy, "SELECT sum(n) n FROM t").await, "[{\"n\":1}]");
    rows(&copy, "INSERT INTO t VALUES (10)").await;
    assert_eq!(rows(db, "SELECT sum(n) n FROM t").await, "[{\"n\":3}]");
    assert!(matches!(copy.moment(&Target::Bookmark(then)).await, Err(TravelError::NotOurs(_))));
    let now = Target::Time(Millis(u64::MAX));
    assert!(matches!(shop.store.fork("shop", &now, "copy").await, Err(TravelError::Exists { .. })));
}

#[tokio::test]
async fn what_is_no_bookmark_of_this_database_is_refused() {
    let shop = shop().await;
    let db = &shop.database;
    for text in [
        "",
        "first-primary",
        "00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683",
        &db.bookmark().unwrap()[1..],
        &format!("{}-0", db.bookmark().unwrap()),
    ] {
        let refused = db.restore(&Target::Bookmark(text.to_owned())).await;
        assert!(matches!(refused, Err(TravelError::NotOurs(_))), "{text}: {refused:?}");
    }
    assert!(matches!(db.moment(&Target::Time(Millis(START - 1))).await, Err(TravelError::TooEarly)));
}

#[tokio::test]
async fn bookmarks_rise_with_writes_and_stay_with_reads() {
    let shop = shop().await;
    let db = &shop.database;
    rows(db, "CREATE TABLE t (n)").await;
    let mut last = String::new();
    for n in 0..20 {
        let (_, wrote) = ask(db, &format!("INSERT INTO t VALUES ({n})"), "first-unconstrained").await;
        assert!(wrote > last, "{wrote} after {last}");
        let (_, read) = ask(db, "SELECT max(n) FROM t", &wrote).await;
        assert_eq!(read, wrote);
        last = wrote;
    }
    assert_eq!(db.bookmark().unwrap(), last);
    let past = db.past().await.unwrap();
    assert_eq!(past.newest.bookmark, last);
    assert!(past.oldest.bookmark < last && past.bytes > 0);
}

#[tokio::test]
async fn a_database_may_keep_no_history() {
    let directory = tempfile::tempdir().unwrap();
    let store =
        Store::open(directory.path(), selvedge_base::SystemClock::shared(), Limits::default()).unwrap();
    let settings = Settings { history: false, ..Settings::default() };
    let db = store.database_with("shop", settings).await.unwrap();
    let (_, first) = ask(&db, "CREATE TABLE t (n)", "first-primary").await;
    let (_, second) = ask(&db, "INSERT INTO t VALUES (1)", &first).await;
    assert!(second > first);
    assert!(matches!(db.bookmark(), Err(TravelError::Off)));
    assert!(!directory.path().join("shop/log").exists());
}
