//! `selvedge r2 sync`, between a data directory and another endpoint of ours.

use std::path::Path;

use serde_json::{Value, json};

use crate::s3::serve;
use crate::support::{Node, run_apart};

/// Another S3, and a directory `here` to sync with.
struct Pair {
    directory: tempfile::TempDir,
    node: Node,
    place: Value,
}

impl Pair {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (node, place) = serve(directory.path()).await;
        let pair = Self { directory, node, place };
        for data in ["here", "data"] {
            let made = ["r2", "bucket", "create", "photos", "--persist-to", data];
            assert_eq!(run_apart(pair.path(), &made).await.0, Some(0));
        }
        pair
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes an object: to the other S3 as `data`, or `here`.
    async fn put(&self, data: &str, key: &str, body: &[u8], more: &[&str]) {
        std::fs::write(self.path().join("body"), body).unwrap();
        let object = format!("photos/{key}");
        let put = ["r2", "object", "put", &object, "--file", "body", "--persist-to", data];
        let (code, _, said) = run_apart(self.path(), &[&put, more].concat()).await;
        assert_eq!(code, Some(0), "{said}");
    }

    async fn list(&self, data: &str) -> Vec<Value> {
        let list = ["r2", "object", "list", "photos", "--json", "--persist-to", data];
        let (_, out, said) = run_apart(self.path(), &list).await;
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}"))
    }

    /// What is the same wherever an object is.
    async fn facts(&self, data: &str) -> Vec<Value> {
        let fact = |row: Value| json!([row["key"], row["size"], row["http_metadata"], row["storage_class"]]);
        self.list(data).await.into_iter().map(fact).collect()
    }

    fn arguments<'a>(&'a self, ends: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
        let place =
            ["--persist-to", "here", "--endpoint", self.place["endpoint"].as_str().unwrap(), "--json"];
        [&["r2", "sync"], ends, &place, more].concat()
    }

    fn variables(&self) -> [(&'static str, &str); 2] {
        let word = |name: &str| self.place[name].as_str().unwrap();
        [("AWS_ACCESS_KEY_ID", word("accessKeyId")), ("AWS_SECRET_ACCESS_KEY", word("secretAccessKey"))]
    }

    async fn sync(&self, ends: &[&str], more: &[&str]) -> (Option<i32>, Value, String) {
        let arguments = self.arguments(ends, more);
        let (code, out, said) = crate::support::run_with(self.path(), &arguments, &self.variables()).await;
        (code, serde_json::from_str(&out).unwrap_or_default(), said)
    }

    async fn copied(&self, ends: &[&str], more: &[&str]) -> [u64; 3] {
        let (code, done, said) = self.sync(ends, more).await;
        assert_eq!(code, Some(0), "{done} {said}");
        ["copied", "equal", "deleted"].map(|name| done[name].as_u64().unwrap())
    }
}

const IN: [&str; 2] = ["s3://photos", "r2://photos"];
const OUT: [&str; 2] = ["r2://photos", "s3://photos"];

#[tokio::test(flavor = "multi_thread")]
async fn buckets_become_the_same_in_both_directions() {
    let pair = Pair::new().await;
    let large = vec![7; (16 << 20) + 5];
    let awkward = ["folder/", "a//b", "ä ö+%20&<k>", "/rooted", "plain"];
    for key in awkward {
        pair.put("data", key, key.as_bytes(), &["--cc", "max-age=5", "--ct", "text/x"]).await;
    }
    pair.put("data", "large", &large, &["-s", "InfrequentAccess", "--ct", "text/x"]).await;
    assert_eq!(pair.copied(&IN, &["--dry-run"]).await, [6, 0, 0]);
    assert_eq!(pair.list("here").await.len(), 0);
    assert_eq!(pair.copied(&IN, &[]).await, [6, 0, 0]);
    assert_eq!(pair.facts("here").await, pair.facts("data").await);
    assert_eq!(pair.copied(&IN, &[]).await, [0, 6, 0]);

    // What changed, or is new, goes back; what only the target has stays until it is said otherwise.
    pair.put("here", "plain", b"changed", &["--ct", "text/y"]).await;
    pair.put("here", "larger", &[&large[..], &large].concat(), &["--ct", "text/x"]).await;
    pair.put("data", "extra", b"", &[]).await;
    assert_eq!(pair.copied(&OUT, &[]).await, [2, 5, 0]);
    assert_eq!(pair.list("data").await.len(), 8);
    assert_eq!(pair.copied(&OUT, &["--delete"]).await, [0, 7, 1]);
    assert_eq!(pair.facts("here").await, pair.facts("data").await);
    let list = pair.list("data").await;
    let larger = list.iter().find(|row| row["key"] == "larger").unwrap();
    assert!(larger["etag"].as_str().unwrap().ends_with("-3"), "{larger}");

    // Under a prefix, which the other end replaces.
    assert_eq!(pair.copied(&["s3://photos/la", "r2://photos/copy/"], &[]).await, [2, 0, 0]);
    let keys: Vec<_> = pair.list("here").await.iter().map(|row| row["key"].clone()).collect();
    assert!(keys.contains(&json!("copy/rge")) && keys.contains(&json!("copy/rger")), "{keys:?}");
    pair.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_and_change_nothing() {
    let pair = Pair::new().await;
    pair.put("data", "k", b"1", &[]).await;
    let (code, _, said) = pair.sync(&["s3://photos", "s3://other"], &[]).await;
    assert!(code == Some(2) && said.contains("one end is here"), "{said}");
    let (code, _, said) = pair.sync(&["s3://nowhere", "r2://photos"], &[]).await;
    assert!(code == Some(1) && said.contains("NoSuchBucket"), "{said}");
    let (code, _, said) = pair.sync(&["s3://photos", "r2://nowhere"], &[]).await;
    assert!(code == Some(1) && said.contains("r2://nowhere"), "{said}");
    let arguments = pair.arguments(&IN, &[]);
    let nobody = [("AWS_ACCESS_KEY_ID", "nobody-at-all"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let (code, _, said) = crate::support::run_with(pair.path(), &arguments, &nobody).await;
    assert!(code == Some(1) && said.contains("401"), "{said}");
    pair.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on() {
    let pair = Pair::new().await;
    let body = vec![1; 2 << 20];
    // A file of its own for each: the tool that writes them takes a list.
    std::fs::write(pair.path().join("body"), &body).unwrap();
    let entries: Vec<_> = (0..40).map(|n| json!({ "key": format!("k{n:02}"), "file": "body" })).collect();
    std::fs::write(pair.path().join("list.json"), json!(entries).to_string()).unwrap();
    let bulk =
        ["r2", "bulk", "put", "photos", "--filename", "list.json", "--ct", "text/x", "--persist-to", "data"];
    assert_eq!(run_apart(pair.path(), &bulk).await.0, Some(0));

    let arguments = pair.arguments(&IN, &["--concurrency", "1"]);
    let running = Node::start_with(pair.path(), &arguments, &pair.variables());
    let blobs = pair.path().join("here/r2/photos/blobs");
    let files = || std::fs::read_dir(&blobs).map_or(0, Iterator::count);
    for _ in 0..1000 {
        if files() >= 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    running.kill().await;
    let [copied, equal, _] = pair.copied(&IN, &[]).await;
    assert_eq!(copied + equal, 40);
    assert!(equal >= 1 && copied >= 1, "{copied} copied, {equal} equal");
    assert_eq!(pair.facts("here").await, pair.facts("data").await);
    let fsck = ["r2", "fsck", "photos", "--persist-to", "here"];
    let (code, report, said) = run_apart(pair.path(), &fsck).await;
    assert_eq!(code, Some(0), "{report}{said}");
    pair.node.stop().await;
}
