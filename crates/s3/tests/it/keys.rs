//! Keys that are hard to write.

use crate::support::{Server, delete, encoded, get, key_path, post, put};

const HARD: [&str; 12] = [
    "..",
    "../../etc/passwd",
    "a/../b",
    "a//b",
    "line\nbreak",
    "tab\tand \"quotes\" & <tags>",
    "+ plus and space",
    "100%25",
    "größe/日本/🦀",
    "a?b#c",
    "trailing/",
    "\u{1}control",
];

#[tokio::test]
async fn every_key_comes_back_as_it_was() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    for key in HARD {
        let target = format!("/bkt/{}", key_path(key));
        server.must(put(&target).body(key)).await;
        assert_eq!(server.must(get(&target)).await.text(), key);
    }
    let listed = server.must(get("/bkt?list-type=2&encoding-type=url")).await;
    let mut expected: Vec<String> = HARD.iter().map(|key| key_path(key)).collect();
    let mut keys = listed.elements("Key");
    expected.sort();
    keys.sort();
    assert_eq!(keys, expected);
    let plain = server.must(get("/bkt?list-type=2&prefix=tab")).await;
    assert_eq!(plain.element("Key"), HARD[5]);

    for key in &HARD[..4] {
        server.must(delete(&format!("/bkt/{}", key_path(key)))).await;
    }
    let rest: Vec<String> = HARD[4..11]
        .iter()
        .map(|key| {
            key.replace('&', "&amp;").replace('<', "&lt;").replace('\n', "&#10;").replace('\t', "&#9;")
        })
        .map(|key| format!("<Object><Key>{key}</Key></Object>"))
        .collect();
    let answer = server.must(post("/bkt?delete").body(format!("<Delete>{}</Delete>", rest.concat()))).await;
    assert_eq!(answer.elements("Deleted").len(), 7, "{}", answer.text());
    let left = server.must(get("/bkt?list-type=2&encoding-type=url")).await;
    assert_eq!(left.elements("Key"), ["%01control"]);
}

#[tokio::test]
async fn a_key_has_up_to_1024_bytes() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    server.must(put(&format!("/bkt/{}", "k".repeat(1024)))).await;
    for long in ["k".repeat(1025), encoded(&"é".repeat(513))] {
        let answer = server.ask(put(&format!("/bkt/{long}"))).await;
        assert_eq!(answer.refusal(), "400 InvalidObjectName");
        assert_eq!(answer.element("Message"), "The specified object name is not valid.");
    }
    assert_eq!(server.ask(put("/bkt/a%00b")).await.refusal(), "400 InvalidObjectName");
    assert_eq!(server.ask(put("/bkt/%FF")).await.status, 400);
}

#[tokio::test]
async fn nothing_appears_outside_the_data_directory() {
    let server = Server::start().await;
    server.bucket("bkt").await;
    for key in ["../outside", "../../outside", "/etc/outside", "..%2F..%2Foutside", "%2e%2e/%2e%2e/outside"] {
        // As raw as a client can: no normalising on the way.
        server.ask(put(&format!("/bkt/{key}")).body(vec![b'x'; 100_000])).await;
    }
    for name in ["..", "...", "a..b", "%2e%2e", "..%2Foutside"] {
        let answer = server.ask(put(&format!("/{name}"))).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    }
    let around: Vec<_> =
        std::fs::read_dir(server.around()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(around, ["data"]);
    let above = server.around().parent().unwrap().join("outside");
    assert!(!above.exists());
}
