//! A history that cannot be written must not stop the writers, and must not lie afterwards.

use crate::support::{dump, open};

#[tokio::test]
async fn writes_go_on_and_the_history_catches_up_when_it_can() {
    let mut open = open();
    open.run("INSERT INTO t (v) VALUES ('before')").await;
    let (before, state) = (open.position(), dump(&open.database).await);
    open.database.history().unwrap().catch_up().unwrap();
    // No new segment can be made in a directory that has no name.
    let (log, away) = (open.directory.path().join("log"), open.directory.path().join("away"));
    std::fs::rename(&log, &away).unwrap();
    for _ in 0..450 {
        open.run("INSERT INTO t (v) VALUES (hex(randomblob(1500)))").await;
    }
    let size = |name: &str| std::fs::metadata(open.directory.path().join(name)).unwrap().len();
    let wal = size("db.sqlite-wal");
    assert!(wal < 3 * 480 * 4096, "SQLite's log is not moved to the database: {wal}");
    assert!(open.database.history().unwrap().catch_up().is_err());
    assert!(open.database.restore(before).await.is_err());
    let lost = open.position();

    std::fs::rename(&away, &log).unwrap();
    for _ in 0..40 {
        open.run("INSERT INTO t (v) VALUES (hex(randomblob(1500)))").await;
    }
    let history = open.database.history().unwrap();
    history.catch_up().unwrap();
    assert_eq!(open.dump_at(before), state);
    assert_eq!(open.dump_at(open.position()), dump(&open.database).await);
    // What was not watched is one step.
    assert!(history.at_or_before(lost).unwrap().position < lost);
    let last = (open.position(), dump(&open.database).await);
    open.reopen();
    assert_eq!((open.position(), dump(&open.database).await), last);
}

#[tokio::test]
async fn a_crash_while_the_history_is_behind_loses_no_commit() {
    let mut open = open();
    open.run("INSERT INTO t (v) VALUES ('before')").await;
    open.database.history().unwrap().catch_up().unwrap();
    let (log, away) = (open.directory.path().join("log"), open.directory.path().join("away"));
    std::fs::rename(&log, &away).unwrap();
    for _ in 0..450 {
        open.run("INSERT INTO t (v) VALUES (hex(randomblob(1500)))").await;
    }
    let (lost, state) = (open.position(), dump(&open.database).await);
    // The picture of a crash: what is there now, with the history's directory back.
    let picture = tempfile::tempdir().unwrap();
    for name in ["db.sqlite", "db.sqlite-wal"] {
        std::fs::copy(open.directory.path().join(name), picture.path().join(name)).unwrap();
    }
    std::fs::create_dir(picture.path().join("log")).unwrap();
    for entry in std::fs::read_dir(&away).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), picture.path().join("log").join(entry.file_name())).unwrap();
    }
    std::fs::rename(&away, &log).unwrap();
    open.database = crate::support::open_at(picture.path(), &open.clock);
    assert!(open.position() > lost, "{:x} after {lost:x}", open.position());
    assert_eq!(dump(&open.database).await, state);
    assert_eq!(open.dump_at(open.position()), state);
}
