use futures_util::future::join_all;
use selvedge_kv::ListOptions;

use crate::{Lab, large};

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

/// Rows in the table, whether or not a reader may see them.
fn rows(lab: &Lab) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "looks at the file from outside")]
    let file = rusqlite::Connection::open(lab.directory.path().join("test.sqlite")).unwrap();
    file.query_row("SELECT count(*) FROM entries", [], |row| row.get(0)).unwrap()
}
