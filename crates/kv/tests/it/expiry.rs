use bytes::Bytes;
use futures_util::future::join_all;
use std::time::Duration;

use selvedge_base::{ManualClock, Millis, SharedClock};
use selvedge_kv::{Limits, ListOptions, Pair, PutOptions, Store};

use crate::{Lab, START, large};

#[tokio::test]
async fn an_expired_key_is_gone_at_once_for_every_reader() {
    let lab = Lab::new().await;
    lab.put_for("k", "short-lived", 60).await;
    lab.clock.advance(59_999);
    assert_eq!(lab.text("k").await.as_deref(), Some("short-lived"));
    lab.clock.advance(1);
    assert_eq!(lab.text("k").await, None);
    assert_eq!(lab.namespace.get_many(&["k"]).await.unwrap(), [None]);
    assert!(lab.namespace.list(&ListOptions::default()).await.unwrap().keys.is_empty());
}

#[tokio::test]
async fn a_key_that_was_put_again_outlives_its_old_expiration() {
    let lab = Lab::new().await;
    lab.put_for("k", "old", 60).await;
    lab.put("k", "new").await;
    lab.clock.advance(61_000);
    lab.clean_up().await;
    assert_eq!(lab.text("k").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn the_space_of_expired_keys_is_taken_back_in_steps() {
    let lab = Lab::new().await;
    let lab = &lab;
    let puts = (0..450).map(|n| async move { lab.put_for(&format!("k{n}"), "v", 60).await });
    join_all(puts).await;
    lab.put_for("file", large(100_000), 60).await;
    lab.put("stays", "here").await;
    lab.clock.advance(60_000);
    assert!(lab.namespace.clean_up().await.unwrap(), "there is more than one step to do");
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 0);
    assert_eq!(rows(lab), 1);
}

#[tokio::test]
async fn what_expires_is_removed_in_the_background() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Millis(START * 1000));
    let shared: SharedClock = clock.clone();
    let store = Store::open(directory.path(), shared, Limits::default()).unwrap();
    let namespace = store.namespace("test").await.unwrap();
    let soon = PutOptions { expiration_ttl: Some(60), ..PutOptions::default() };
    namespace.put("k", large(100_000), &soon).await.unwrap();
    clock.advance(60_000);
    // A value file that is replaced wakes who removes it; so does time, every few seconds.
    namespace.put("j", large(100_000), &soon).await.unwrap();
    namespace.put("j", "small", &soon).await.unwrap();
    while namespace.check(|_| ()).await.unwrap().values > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Two hours of sessions, all of which expire: the clock is moved, the rows are many.
#[tokio::test]
async fn two_hours_of_expired_keys_return_their_disk_space() {
    let lab = Lab::new().await;
    let path = lab.directory.path().join("test.sqlite");
    let size = || std::fs::metadata(&path).unwrap().len();
    lab.put("stays", "here").await;
    let (small, file) = (Bytes::from(large(2_000)), Bytes::from(large(70_000)));
    for minute in 0..120 {
        let sessions = (0..100).map(|n| Pair {
            key: format!("session:{minute}:{n}"),
            value: if n == 0 { file.clone() } else { small.clone() },
            options: PutOptions { expiration_ttl: Some(60 + n % 7140), ..PutOptions::default() },
        });
        lab.namespace.put_bulk(sessions.collect()).await.unwrap();
        lab.clock.advance(60_000);
    }
    let (largest, files) = (size(), lab.value_files());
    assert!(largest > 20_000_000 && files == 120, "{largest} bytes, {files} files");
    lab.clock.advance(7_200_000);
    lab.clean_up().await;
    assert_eq!(lab.value_files(), 0);
    assert!(size() <= 1024 * 1024, "{} bytes of a file that was {largest}", size());
    let log = std::fs::metadata(path.with_extension("sqlite-wal")).unwrap().len();
    assert!(log <= 17 * 1024 * 1024, "the log has {log} bytes");
    assert_eq!(lab.text("stays").await.as_deref(), Some("here"));
    let report = lab.namespace.check(|_| ()).await.unwrap();
    assert!(report.is_sound() && report.values == 1, "{report:?}");
}

/// Rows in the table, whether or not a reader may see them.
fn rows(lab: &Lab) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "looks at the file from outside")]
    let file = rusqlite::Connection::open(lab.directory.path().join("test.sqlite")).unwrap();
    file.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap()
}
