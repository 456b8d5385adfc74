//! What is on the disk beside the database stays bounded, whatever readers and the history do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use selvedge_sqlite::Database;

use crate::support::{KEEP, Open, dump, open};

/// Bytes of a page in SQLite's log.
const FRAME: u64 = 4096 + 24;

impl Open {
    fn wal(&self) -> u64 {
        std::fs::metadata(self.directory.path().join("db.sqlite-wal")).unwrap().len() / FRAME
    }
}

/// Makes `commits`, of some pages each; the longest that SQLite's log was, in pages.
async fn write(open: &Open, commits: u64) -> u64 {
    let mut longest = 0;
    for n in 0..commits {
        open.run(&format!("INSERT OR REPLACE INTO t VALUES ({}, hex(randomblob(1500)))", n % 200)).await;
        longest = longest.max(open.wal());
    }
    longest
}

/// Reads on and on in transactions that overlap, until `stop`; how many there were.
fn overlapping(database: &Database, stop: &Arc<AtomicBool>) -> Arc<AtomicU64> {
    let count: Arc<AtomicU64> = Arc::default();
    for reader in 0..3 {
        let (database, stop, count) = (database.clone(), Arc::clone(stop), Arc::clone(&count));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20 * reader)).await;
            while !stop.load(Ordering::Relaxed) {
                let read = database.read_long(|connection| {
                    let transaction = connection.unchecked_transaction()?;
                    let rows = |c: &rusqlite::Connection| {
                        c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
                    };
                    let before = rows(&transaction)?;
                    std::thread::sleep(Duration::from_millis(60));
                    assert_eq!(before, rows(&transaction)?);
                    Ok::<_, rusqlite::Error>(())
                });
                // On a machine that is busy enough, one may have lasted too long.
                count.fetch_add(u64::from(read.await.unwrap().is_ok()), Ordering::Relaxed);
            }
        });
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlites_log_does_not_grow_without_end_beside_readers() {
    let open = open();
    let checkpoint = u64::from(KEEP.checkpoint);
    // Alone: the writer waits for the history when that lags behind.
    let alone = write(&open, 400).await;
    assert!(alone < 3 * checkpoint, "{alone} pages");
    let stop = Arc::default();
    let reads = overlapping(&open.database, &stop);
    let beside = write(&open, 2500).await;
    stop.store(true, Ordering::Relaxed);
    let reads = reads.load(Ordering::Relaxed);
    println!("{alone} pages alone, {beside} beside {reads} reads");
    assert!(reads > 5);
    // All of it would be twice that.
    assert!(beside < 80 * checkpoint, "{beside} pages");
    assert_eq!(open.dump_at(open.position()), dump(&open.database).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_never_ends_is_stopped_when_it_costs_too_much() {
    let open = open();
    let reading = tokio::spawn({
        let database = open.database.clone();
        async move {
            let endless = "WITH RECURSIVE n (i) AS (SELECT count(*) FROM t UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
            database.read_long(move |c| c.query_row(endless, [], |_| Ok(()))).await.unwrap()
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut longest = 0;
    for _ in 0..40 {
        longest = longest.max(write(&open, 100).await);
        if reading.is_finished() {
            break;
        }
    }
    assert!(reading.is_finished(), "{longest} pages");
    let stopped = reading.await.unwrap().unwrap_err();
    assert_eq!(stopped.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted), "{stopped}");
    assert!(longest < 90 * u64::from(KEEP.checkpoint), "{longest} pages");
    let after = write(&open, 100).await;
    let last = std::fs::metadata(open.directory.path().join("db.sqlite")).unwrap().len();
    println!("{longest} pages at most, {after} afterwards; the database has {last} bytes");
    assert_eq!(open.dump_at(open.position()), dump(&open.database).await);
}

#[tokio::test]
async fn a_database_that_is_vacuumed_gets_smaller_and_keeps_its_past() {
    let open = open();
    for n in 0..60 {
        open.run(&format!("INSERT INTO t (v) VALUES (hex(randomblob(6000)) || {n})")).await;
    }
    open.run("CREATE TABLE u (id INTEGER PRIMARY KEY, v)").await;
    let (full, full_state) = (open.position(), dump(&open.database).await);
    open.run("DELETE FROM t WHERE id % 10 > 0").await;
    let (before, before_state) = (open.position(), dump(&open.database).await);
    open.database.checkpoint().await.unwrap();
    let size = || std::fs::metadata(open.directory.path().join("db.sqlite")).unwrap().len();
    let large = size();
    open.database.vacuum().await.unwrap();
    open.database.checkpoint().await.unwrap();
    assert!(size() * 4 < large, "{} of {large} bytes", size());
    assert_eq!(open.position(), before + 1);
    assert_eq!(dump(&open.database).await, before_state);
    for (position, state) in [(full, &full_state), (before, &before_state), (before + 1, &before_state)] {
        assert_eq!(&open.dump_at(position), state, "{position:x}");
    }
    open.run("INSERT INTO u (v) VALUES ('after')").await;
    let (after, after_state) = (open.position(), dump(&open.database).await);
    // Across it, back and forth.
    let restored = open.database.restore(full).await.unwrap();
    assert_eq!(dump(&open.database).await, full_state);
    assert!(open.database.check(false).await.unwrap().problems.is_empty());
    open.database.restore(restored.undo).await.unwrap();
    assert_eq!(dump(&open.database).await, after_state);
    assert_eq!(open.dump_at(after), after_state);
    assert!(open.database.check(false).await.unwrap().problems.is_empty());
}
