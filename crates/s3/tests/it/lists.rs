//! Pages of keys and of buckets.

use crate::support::{Server, encoded, get, key_path, put};

async fn with_keys(keys: &[&str]) -> Server {
    let server = Server::start().await;
    server.bucket("bkt").await;
    for key in keys {
        server.must(put(&format!("/bkt/{}", key_path(key)))).await;
    }
    server
}

#[tokio::test]
async fn pages_follow_one_another_in_both_versions() {
    let server = with_keys(&["a", "b/1", "b/2", "c", "d/e/1", "d/f", "z"]).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let next =
            if token.is_empty() { String::new() } else { format!("&continuation-token={}", encoded(&token)) };
        let page = server.must(get(&format!("/bkt?list-type=2&max-keys=2&delimiter=%2F{next}"))).await;
        let entries = page.elements("Key").len() + page.elements("CommonPrefixes").len();
        assert_eq!(page.element("KeyCount"), entries.to_string());
        seen.extend(page.elements("Key"));
        seen.extend(page.elements("Prefix").into_iter().filter(|prefix| !prefix.is_empty()));
        token = page.element("NextContinuationToken");
        if page.element("IsTruncated") == "false" {
            break;
        }
    }
    assert_eq!(seen, ["a", "b/", "c", "d/", "z"]);

    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let page =
            server.must(get(&format!("/bkt?max-keys=1&delimiter=%2F&marker={}", encoded(&marker)))).await;
        seen.extend(page.elements("Key"));
        seen.extend(page.elements("Prefix").into_iter().filter(|prefix| !prefix.is_empty()));
        marker = page.element("NextMarker");
        if page.element("IsTruncated") == "false" {
            break;
        }
    }
    assert_eq!(seen, ["a", "b/", "c", "d/", "z"]);
}

#[tokio::test]
async fn a_page_has_what_was_asked_for() {
    let server = with_keys(&["a", "b/1", "b/2", "c"]).await;
    let keys =
        async |query: &str| server.must(get(&format!("/bkt?list-type=2{query}"))).await.elements("Key");
    assert_eq!(keys("&prefix=b%2F").await, ["b/1", "b/2"]);
    assert_eq!(keys("&start-after=b%2F1").await, ["b/2", "c"]);
    assert_eq!(keys("&max-keys=0").await, Vec::<String>::new());
    assert_eq!(keys("&max-keys=100000").await.len(), 4);
    assert!(server.must(get("/bkt?list-type=2")).await.elements("Owner").is_empty());
    assert_eq!(server.must(get("/bkt?list-type=2&fetch-owner=true")).await.elements("ID").len(), 4);
    assert_eq!(server.ask(get("/bkt?max-keys=-1")).await.refusal(), "400 InvalidMaxKeys");
    assert_eq!(server.ask(get("/bkt?encoding-type=base64")).await.refusal(), "400 InvalidArgument");
    assert_eq!(
        server.ask(get("/bkt?list-type=2&continuation-token=zz")).await.refusal(),
        "400 InvalidArgument"
    );
    assert_eq!(server.ask(get("/none")).await.refusal(), "404 NoSuchBucket");
}

#[tokio::test]
async fn buckets_are_paged_as_r2_pages_them() {
    let server = Server::start().await;
    for name in ["aaa", "abb", "abc", "bbb"] {
        server.bucket(name).await;
    }
    let all = server.must(get("/")).await;
    assert_eq!(all.elements("Name"), ["aaa", "abb", "abc", "bbb"]);
    assert_eq!(all.header("cf-is-truncated"), "");
    let page = server.must(get("/?max-keys=1&prefix=ab")).await;
    assert_eq!((page.elements("Name"), page.header("cf-is-truncated")), (vec!["abb".to_owned()], "true"));
    let token = page.header("cf-next-continuation-token").to_owned();
    let next = server.must(get("/").header("cf-prefix", "ab").header("cf-continuation-token", token)).await;
    assert_eq!(next.elements("Name"), ["abc"]);
    assert_eq!(server.must(get("/?start-after=abb")).await.elements("Name"), ["abc", "bbb"]);
    let standard = server.must(get("/?max-buckets=3")).await;
    assert_eq!((standard.elements("Name").len(), standard.element("ContinuationToken").as_str()), (3, "abc"));
}
