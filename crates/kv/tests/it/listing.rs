use selvedge_kv::{Error, ListOptions, PutOptions, Refusal};

use crate::{Lab, START};

async fn names(lab: &Lab, options: ListOptions<'_>) -> (Vec<String>, Option<String>) {
    let page = lab.namespace.list(&options).await.unwrap();
    (page.keys.into_iter().map(|key| key.name).collect(), page.cursor)
}

#[tokio::test]
async fn keys_come_in_the_order_of_their_bytes() {
    let lab = Lab::new().await;
    // UTF-16 order would put the emoji before U+FFFD.
    let ordered = ["A", "Z", "a", "a/", "aa", "é", "\u{fffd}", "😀"];
    for key in ordered.iter().rev() {
        lab.put(key, "v").await;
    }
    assert_eq!(names(&lab, ListOptions::default()).await, (ordered.map(str::to_owned).to_vec(), None));
    let (found, _) = names(&lab, ListOptions { prefix: "a", ..ListOptions::default() }).await;
    assert_eq!(found, ["a", "a/", "aa"]);
    let (found, _) = names(&lab, ListOptions { prefix: "\u{fffd}", ..ListOptions::default() }).await;
    assert_eq!(found, ["\u{fffd}"]);
}

#[tokio::test]
async fn a_listing_tells_expiration_and_metadata() {
    let lab = Lab::new().await;
    let options =
        PutOptions { expiration_ttl: Some(60), metadata: Some(r#""x""#.to_owned()), ..PutOptions::default() };
    lab.namespace.put("k", "v", &options).await.unwrap();
    let page = lab.namespace.list(&ListOptions::default()).await.unwrap();
    assert_eq!(page.keys[0].expiration, Some(START + 60));
    assert_eq!(page.keys[0].metadata.as_deref(), Some(r#""x""#));
}

#[tokio::test]
async fn a_cursor_starts_after_the_last_key_whatever_happens_to_it() {
    let lab = Lab::new().await;
    for key in ["a", "b", "c", "d", "e"] {
        lab.put(key, "v").await;
    }
    let two = ListOptions { limit: Some(2), ..ListOptions::default() };
    let (first, cursor) = names(&lab, two).await;
    assert_eq!(first, ["a", "b"]);
    lab.namespace.delete("b").await.unwrap();
    lab.put("aa", "behind the cursor").await;
    lab.put("bb", "ahead of it").await;
    let lab = lab.reopen().await;
    let next = ListOptions { cursor: cursor.as_deref(), ..two };
    let (second, cursor) = names(&lab, next).await;
    assert_eq!(second, ["bb", "c"]);
    let last = ListOptions { cursor: cursor.as_deref(), ..two };
    assert_eq!(names(&lab, last).await, (vec!["d".to_owned(), "e".to_owned()], None));
}

#[tokio::test]
async fn expired_keys_do_not_make_a_page_short() {
    let lab = Lab::new().await;
    for n in 0..30 {
        if n % 3 == 0 {
            lab.put(&format!("{n:02}"), "stays").await;
        } else {
            lab.put_for(&format!("{n:02}"), "goes", 60).await;
        }
    }
    lab.clock.advance(60_000);
    let five = ListOptions { limit: Some(5), ..ListOptions::default() };
    let (first, cursor) = names(&lab, five).await;
    assert_eq!(first, ["00", "03", "06", "09", "12"]);
    let (second, cursor) = names(&lab, ListOptions { cursor: cursor.as_deref(), ..five }).await;
    assert_eq!(second, ["15", "18", "21", "24", "27"]);
    // Only expired keys follow.
    assert_eq!(cursor, None);
}

#[tokio::test]
async fn what_is_no_cursor_is_refused() {
    let lab = Lab::new().await;
    for cursor in ["*", "YQ", "MYA"] {
        let options = ListOptions { cursor: Some(cursor), ..ListOptions::default() };
        let refused = lab.namespace.list(&options).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::Cursor))), "{cursor}: {refused:?}");
    }
    let empty = ListOptions { cursor: Some(""), ..ListOptions::default() };
    assert!(lab.namespace.list(&empty).await.is_ok());
    let long = "p".repeat(513);
    let refused = lab.namespace.list(&ListOptions { prefix: &long, ..ListOptions::default() }).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::KeyTooLong { bytes: 513, .. }))));
}

#[tokio::test]
async fn a_page_gives_up_after_very_many_expired_keys_and_says_that_there_is_more() {
    let lab = Lab::new().await;
    lab.put("a", "first").await;
    lab.put("z", "last").await;
    let puts = (0..10_500).map(|n| {
        let lab = &lab;
        async move { lab.put_for(&format!("k{n}"), "v", 60).await }
    });
    futures_util::future::join_all(puts).await;
    lab.clock.advance(60_000);
    let (first, cursor) = names(&lab, ListOptions::default()).await;
    assert_eq!(first, ["a"]);
    let next = ListOptions { cursor: cursor.as_deref(), ..ListOptions::default() };
    assert_eq!(names(&lab, next).await, (vec!["z".to_owned()], None));
}
