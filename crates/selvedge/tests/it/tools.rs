//! The commands that work on stored data: on a running node and directly on its directory, with the same words.

use serde_json::{Value, json};

use crate::support::{Project, run_apart};

const CONFIG: &str = r#"
name = "app"
main = "index.js"
compatibility_date = "2026-11-01"
[[kv_namespaces]]
binding = "KV"
id = "sessions"
"#;

const WORKER: &str = r"export default {
  async fetch(request, env) {
    const { value, metadata } = await env.KV.getWithMetadata(new URL(request.url).pathname.slice(1));
    return Response.json({ value, metadata });
  }
};";

fn project() -> Project {
    Project::new(&[("wrangler.toml", CONFIG), ("index.js", WORKER)])
}

async fn selvedge(project: &Project, arguments: &[&str]) -> String {
    let (code, out, talk) = run_apart(project.path(), arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {talk}");
    out
}

async fn selvedge_json(project: &Project, arguments: &[&str]) -> Value {
    let out = selvedge(project, arguments).await;
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
}

#[tokio::test]
async fn kv_keys_are_the_same_through_the_node_the_tool_and_the_worker() {
    let project = project();
    let node = project.dev(&[]).await;
    let put = ["kv", "key", "put", "a/b key", "värde", "--binding", "KV", "--metadata", r#"{"n":1}"#];
    selvedge(&project, &put).await;
    let reply = node.get("/a%2Fb%20key").await;
    assert_ne!(reply.json()["value"], json!("värde"), "the Worker looks for the encoded name");
    let listed = selvedge_json(&project, &["kv", "key", "list", "--binding", "KV"]).await;
    assert_eq!(listed, json!([{ "name": "a/b key", "metadata": { "n": 1 } }]));
    selvedge(&project, &["kv", "key", "put", "plain", "1", "--namespace-id", "sessions"]).await;
    assert_eq!(node.get("/plain").await.json()["value"], json!("1"));
    node.stop().await;

    // The node is gone: the same words work on its directory.
    assert_eq!(selvedge(&project, &["kv", "key", "get", "a/b key", "--binding", "KV"]).await, "värde");
    selvedge(&project, &["kv", "key", "delete", "plain", "--binding", "KV"]).await;
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "get", "plain", "--binding", "KV"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("key not found"), "{talk}");
}

#[tokio::test]
async fn kv_bulk_files_go_in_and_out() {
    let project = project();
    let place = ["--persist-to", "data"];
    let made: Value =
        selvedge_json(&project, &[&["kv", "namespace", "create", "cache", "--json"], &place[..]].concat())
            .await;
    let id = made["id"].as_str().unwrap();
    let namespace = ["--namespace-id", id, "--persist-to", "data"];
    project.write(
        "pairs.json",
        r#"[{"key": "a", "value": "1"}, {"key": "b", "value": "/w==", "base64": true, "metadata": [1]}]"#,
    );
    selvedge(&project, &[&["kv", "bulk", "put", "pairs.json"], &namespace[..]].concat()).await;
    let exported = selvedge_json(&project, &[&["kv", "bulk", "export"], &namespace[..]].concat()).await;
    let pairs: Value = serde_json::from_str(&project.read("pairs.json")).unwrap();
    assert_eq!(exported, pairs);
    project.write("keys.json", r#"["a", {"name": "none"}]"#);
    let got = selvedge_json(&project, &[&["kv", "bulk", "get", "keys.json"], &namespace[..]].concat()).await;
    assert_eq!(got, json!({ "a": "1", "none": null }));
    selvedge(&project, &[&["kv", "bulk", "delete", "keys.json"], &namespace[..]].concat()).await;
    let left = selvedge_json(&project, &[&["kv", "key", "list"], &namespace[..]].concat()).await;
    assert_eq!(left, json!([{ "name": "b", "metadata": [1] }]));

    project.write("pairs.json", r#"[{"key": "ok", "value": "1"}, {"key": "..", "value": "2"}]"#);
    let report = selvedge_json(&project, &[&["kv", "namespace", "check"], &namespace[..]].concat()).await;
    assert_eq!((&report["sound"], &report["values"]), (&json!(true), &json!(1)));
    let bulk = [&["kv", "bulk", "put", "pairs.json"], &namespace[..]].concat();
    let (code, _, talk) = run_apart(project.path(), &bulk).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("Illegal key name") && talk.contains("1 of 2 keys were refused"), "{talk}");
    selvedge(&project, &[&["kv", "namespace", "delete"], &namespace[..]].concat()).await;
    let listed = selvedge_json(&project, &[&["kv", "namespace", "list"], &place[..]].concat()).await;
    assert_eq!(listed, json!([]));
}

#[tokio::test]
async fn d1_databases_go_out_as_sql_and_come_back() {
    let project = project();
    let place = ["--persist-to", "data"];
    let selvedge = |words: &'static [&str]| {
        let (project, words) = (&project, [words, &place[..]].concat());
        async move { selvedge(project, &words).await }
    };
    for name in ["one", "two"] {
        let create = ["d1", "create", name, "--json", "--persist-to", "data"];
        let made = selvedge_json(&project, &create).await;
        assert_eq!((&made["name"], &made["created_in_region"]), (&json!(name), &json!("LOCAL")));
        assert!(made["created_at"].as_str().unwrap().ends_with('Z'), "{made}");
        let info = ["d1", "info", name, "--json", "--persist-to", "data"];
        let info = selvedge_json(&project, &info).await;
        for key in ["uuid", "name", "version", "created_at"] {
            assert_eq!(info[key], made[key], "{key}");
        }
    }
    project.write(
        "schema.sql",
        "BEGIN TRANSACTION; CREATE TABLE t (z TEXT, a BLOB, twice TEXT AS (z || z));
         CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END;
         INSERT INTO t (z, a) VALUES ('it''s', x'00ff'), (NULL, 1.0); COMMIT;",
    );
    selvedge(&["d1", "execute", "one", "--file", "schema.sql"]).await;
    let table = selvedge(&["d1", "execute", "one", "--command", "SELECT z, a FROM t"]).await;
    assert!(table.find('z') < table.find('a') && table.contains("it's"), "{table}");
    selvedge(&["d1", "export", "one", "--output", "one.sql"]).await;
    selvedge(&["d1", "import", "two", "one.sql"]).await;
    let same = selvedge(&["d1", "export", "two"]).await;
    assert_eq!(same, project.read("one.sql"));
    assert!(same.contains("X'00FF'") && same.contains("1.0"), "{same}");

    project.write("broken.sql", "INSERT INTO t (z) VALUES ('lost');\nSELECT nonsense;");
    let broken = ["d1", "execute", "one", "--file", "broken.sql", "--persist-to", "data"];
    let (code, _, talk) = run_apart(project.path(), &broken).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("broken.sql, line 2") && talk.contains("no such column: nonsense"), "{talk}");
    let count = ["d1", "execute", "one", "--json", "--command", "SELECT count(*) AS n FROM t"];
    let counted = selvedge_json(&project, &[&count[..], &place[..]].concat()).await;
    assert_eq!(counted[0]["results"], json!([{ "n": 2 }]));
    let before = selvedge(&["d1", "time-travel", "info", "one"]).await;
    selvedge(&["d1", "execute", "one", "--command", "DELETE FROM t"]).await;
    let restore = [
        "d1",
        "time-travel",
        "restore",
        "one",
        "--bookmark",
        before.trim(),
        "--json",
        "--persist-to",
        "data",
    ];
    let restored = selvedge_json(&project, &restore).await;
    let counted = selvedge_json(&project, &[&count[..], &place[..]].concat()).await;
    assert_eq!(counted[0]["results"], json!([{ "n": 2 }]));
    let undo = restored["previous_bookmark"].as_str().unwrap();
    let undo = ["d1", "time-travel", "restore", "one", "--bookmark", undo, "--persist-to", "data"];
    self::selvedge(&project, &undo).await;
    let counted = selvedge_json(&project, &[&count[..], &place[..]].concat()).await;
    assert_eq!(counted[0]["results"], json!([{ "n": 0 }]));
    selvedge(&["d1", "delete", "two", "-y"]).await;
    let listed = selvedge(&["d1", "list"]).await;
    assert!(listed.contains("one") && !listed.contains("two"), "{listed}");
}

#[tokio::test]
async fn d1_migrations_are_made_listed_and_applied() {
    let project = project();
    project.write(
        "wrangler.toml",
        &format!(
            "{CONFIG}[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"app\"\ndatabase_id = \"x\"\n"
        ),
    );
    let made = selvedge(&project, &["d1", "migrations", "create", "DB", "add users!"]).await;
    assert!(made.trim().ends_with("migrations/0001_add_users.sql"), "{made}");
    project.write("migrations/0001_add_users.sql", "CREATE TABLE users (id INTEGER);");
    project.write("migrations/0002_wrong.sql", "CREATE TABLE ok (id);\n\nCREATE TABEL x;");
    let listed = selvedge(&project, &["d1", "migrations", "list", "app"]).await;
    assert!(listed.contains("0001_add_users.sql") && listed.contains("0002_wrong.sql"), "{listed}");
    let (code, _, talk) = run_apart(project.path(), &["d1", "migrations", "apply", "DB"]).await;
    assert_eq!(code, Some(1));
    assert!(
        talk.contains("0002_wrong.sql, line 3") && talk.contains("1 of 2 migrations are applied"),
        "{talk}"
    );
    let listed = selvedge(&project, &["d1", "migrations", "list", "DB"]).await;
    assert!(!listed.contains("0001") && listed.contains("0002"), "{listed}");
}

#[tokio::test]
async fn what_cannot_be_is_answered_with_what_to_do() {
    let project = project();
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "list", "--binding", "KV"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("there is no data directory"), "{talk}");
    let nothing = ["kv", "key", "list", "--binding", "NO", "--persist-to", "."];
    let (code, _, talk) = run_apart(project.path(), &nothing).await;
    assert_eq!(code, Some(2));
    assert!(talk.contains("no KV namespace with the binding \"NO\""), "{talk}");
    let (code, _, talk) = run_apart(project.path(), &["kv", "key", "list"]).await;
    assert_eq!(code, Some(2));
    assert!(talk.contains("--binding"), "{talk}");
}

#[tokio::test]
async fn what_wrangler_and_workerd_stored_is_taken_over() {
    for (from, keys) in [
        ("wrangler", json!([{ "name": "a/b", "metadata": { "n": 1 } }, { "name": "forever" }])),
        (
            "workerd",
            json!([{ "name": "a/b", "expiration": 2_000_000_000_u64, "metadata": { "n": 1 } }, { "name": "big" }]),
        ),
    ] {
        let project = Project::copy("fixtures/state");
        project.write("index.js", WORKER);
        project.write(
            "wrangler.toml",
            &format!("{CONFIG}[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"app\"\ndatabase_id = \"aaaa-bbbb\"\n[[r2_buckets]]\nbinding = \"B\"\nbucket_name = \"files\"\n"),
        );
        selvedge(&project, &["import", from]).await;
        if from == "wrangler" {
            let object = selvedge_json(&project, &["r2", "object", "list", "files", "--json"]).await;
            assert_eq!(object[0]["key"], json!("dir/f.txt"));
            assert_eq!(object[0]["http_metadata"], json!({ "contentType": "text/plain" }));
            assert_eq!(
                selvedge(&project, &["r2", "object", "get", "files/dir/f.txt", "--pipe"]).await,
                "hi\n"
            );
        }
        assert_eq!(selvedge_json(&project, &["kv", "key", "list", "--binding", "KV"]).await, keys);
        assert_eq!(selvedge(&project, &["kv", "key", "get", "a/b", "--binding", "KV"]).await, "hello");
        let rows = ["d1", "execute", "app", "--json", "--command", "SELECT a FROM t"];
        assert_eq!(selvedge_json(&project, &rows).await[0]["results"][0], json!({ "a": 1 }));
        // Again: keys are overwritten, the database stays.
        selvedge(&project, &["d1", "execute", "app", "--command", "DELETE FROM t"]).await;
        selvedge(&project, &["import", from]).await;
        assert_eq!(selvedge_json(&project, &rows).await[0]["results"], json!([]));
    }
    let project = project();
    let (code, _, talk) = run_apart(project.path(), &["import", "nowhere"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("nowhere is not a state directory"), "{talk}");
}

#[tokio::test]
async fn r2_objects_and_rules_go_in_and_out() {
    let project = project();
    let place = ["--persist-to", "data"];
    let selvedge = |words: &'static [&str]| {
        let (project, words) = (&project, [words, &place[..]].concat());
        async move { selvedge(project, &words).await }
    };
    selvedge(&["r2", "bucket", "create", "photos"]).await;
    project.write("a.txt", "first");
    project.write("b.txt", &"second".repeat(100_000));
    selvedge(&["r2", "object", "put", "photos/x/a b?.txt", "--file", "a.txt", "--ct", "text/plain"]).await;
    project.write("list.json", r#"[{"key": "x/b", "file": "b.txt"}, {"key": "c", "file": "a.txt"}]"#);
    selvedge(&["r2", "bulk", "put", "photos", "--filename", "list.json"]).await;
    assert_eq!(selvedge(&["r2", "object", "get", "photos/x/a b?.txt", "--pipe"]).await, "first");
    selvedge(&["r2", "object", "get", "photos/x/b", "--file", "out.txt"]).await;
    assert_eq!(project.read("out.txt"), project.read("b.txt"));
    let info =
        selvedge_json(&project, &["r2", "bucket", "info", "photos", "--json", "--persist-to", "data"]).await;
    assert_eq!((&info["object_count"], &info["bucket_size"]), (&json!(3), &json!(600_010)));

    project.write(
        "lock.json",
        r#"{"id": "keep", "enabled": true, "prefix": "x/", "condition": {"type": "Indefinite"}}"#,
    );
    selvedge(&["r2", "bucket", "lock", "add", "photos", "--file", "lock.json"]).await;
    let locked = ["r2", "object", "delete", "photos/x/b", "--persist-to", "data"];
    let (code, _, talk) = run_apart(project.path(), &locked).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("lock"), "{talk}");
    selvedge(&["r2", "bucket", "lock", "remove", "photos", "--name", "keep"]).await;
    selvedge(&["r2", "object", "delete", "photos/x/b"]).await;
    let (code, _, talk) =
        run_apart(project.path(), &["r2", "bucket", "delete", "photos", "--persist-to", "data"]).await;
    assert_eq!(code, Some(1));
    assert!(talk.contains("not empty"), "{talk}");
}
