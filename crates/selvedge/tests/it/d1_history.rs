//! What D1 has beyond Cloudflare's, by its tools and its API: checks that repair, forks, transactions that a client
//! holds open.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use http::Method;
use selvedge_api::{Client as Api, ClientError};
use selvedge_node::Access;
use serde_json::{Value, json};

use crate::support::{Project, run_apart};

const CONFIG: &str = r#"
name = "app"
main = "index.js"
compatibility_date = "2026-11-01"
[[d1_databases]]
binding = "DB"
database_name = "app"
database_id = "the-app"
"#;

const WORKER: &str = r"export default {
  async fetch(request, env) {
    const sql = new URL(request.url).searchParams.get('sql');
    try {
      return Response.json((await env.DB.prepare(sql).all()).results);
    } catch (error) {
      return new Response(String(error), { status: 500 });
    }
  }
};";

/// Bookmarks of a database, and what there was.
#[derive(Default)]
pub(crate) struct Bookmarks(Vec<(String, Value)>);

impl Bookmarks {
    /// Takes down what is there now. Nobody writes meanwhile.
    pub(crate) async fn note(&mut self, data: &Path, database: &str) {
        let access = open(data).await;
        let at = format!("/d1/database/{database}/time_travel/bookmark");
        let bookmark = access.client().call::<Value>(Method::GET, &at, None).await.unwrap().result;
        let bookmark = bookmark["bookmark"].as_str().unwrap().to_owned();
        self.0.push((bookmark, rows(&access, database).await));
    }

    /// Forks the database at some of them, and restores it to others.
    pub(crate) async fn verify(&self, data: &Path, database: &str) {
        let access = open(data).await;
        let post = async |target: String, body: Value| {
            let answer = access.client().call::<Value>(Method::POST, &target, Some(&body)).await;
            answer.unwrap_or_else(|error| panic!("{target}: {error}")).result
        };
        let check = post(format!("/d1/database/{database}/selvedge/check"), json!({})).await;
        assert_eq!((&check["problems"], &check["lost"]), (&json!([]), &json!([])));
        let now = rows(&access, database).await;
        for (n, (bookmark, expected)) in self.0.iter().enumerate().step_by(self.0.len().div_ceil(8)) {
            let target = format!("/d1/database/{database}/time_travel/fork?bookmark={bookmark}");
            let fork = post(target, json!({ "name": format!("fork-{n}") })).await;
            assert_eq!(&rows(&access, fork["uuid"].as_str().unwrap()).await, expected, "{bookmark}");
            let restore =
                |bookmark: &str| format!("/d1/database/{database}/time_travel/restore?bookmark={bookmark}");
            let restored = post(restore(bookmark), json!({})).await;
            assert_eq!(&rows(&access, database).await, expected, "{bookmark}");
            post(restore(restored["previous_bookmark"].as_str().unwrap()), json!({})).await;
            assert_eq!(rows(&access, database).await, now);
        }
    }
}

async fn open(data: &Path) -> Access {
    let clock = selvedge_base::SystemClock::shared();
    Access::open(data, &std::env::temp_dir(), &clock, false).await.unwrap()
}

async fn rows(access: &Access, database: &str) -> Value {
    let sql = json!({ "sql": "SELECT id, entry FROM log ORDER BY id" });
    let target = format!("/d1/database/{database}/raw");
    let mut answer = access.client().call::<Value>(Method::POST, &target, Some(&sql)).await.unwrap().result;
    answer[0]["results"]["rows"].take()
}

fn project() -> Project {
    let project = Project::new(&[("wrangler.toml", CONFIG), ("index.js", WORKER)]);
    std::fs::create_dir(project.path().join(".selvedge")).unwrap();
    project
}

async fn selvedge(project: &Project, arguments: &[&str]) -> String {
    let (code, out, talk) = run_apart(project.path(), arguments).await;
    assert_eq!(code, Some(0), "{arguments:?}: {talk}");
    out
}

async fn execute(project: &Project, name: &str, sql: &str) -> Value {
    let out = selvedge(project, &["d1", "execute", name, "--json", "--command", sql]).await;
    serde_json::from_str::<Value>(&out).unwrap()[0]["results"].clone()
}

/// Turns bits over, and leaves the time as a failing disk does.
fn flip(path: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[!byte[0]], offset).unwrap();
    file.set_modified(modified).unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_told_of_and_repaired_and_one_can_be_forked() {
    let project = project();
    let fill = "CREATE TABLE t (n, v); INSERT INTO t WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200) SELECT i, hex(randomblob(300)) FROM c";
    execute(&project, "DB", fill).await;
    let sum = "SELECT sum(n) AS n, sum(length(v)) AS l FROM t";
    let whole = json!([{ "n": 20100, "l": 120_000 }]);
    let then = selvedge(&project, &["d1", "time-travel", "info", "app"]).await;
    selvedge(&project, &["d1", "check", "app"]).await;

    let file = project.path().join(".selvedge/d1/the-app/db.sqlite");
    for offset in [5, 4096 * 3 + 77, 4096 * 20 + 4000] {
        flip(&file, offset);
        let (code, out, talk) = run_apart(project.path(), &["d1", "check", "app"]).await;
        assert_eq!(code, Some(1), "{out} {talk}");
        assert!(out.contains(&format!("page {} is not what was written", offset / 4096 + 1)), "{out}");
        assert!(talk.contains("--repair"), "{talk}");
        let report = selvedge(&project, &["d1", "check", "DB", "--repair", "--json"]).await;
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["sound"], &report["lost"]), (&json!(true), &json!([])), "{report}");
        selvedge(&project, &["d1", "check", "app"]).await;
        assert_eq!(execute(&project, "app", sum).await, whole);
    }

    execute(&project, "app", "DELETE FROM t WHERE n > 100").await;
    let fork = ["d1", "time-travel", "fork", "app", "old", "--bookmark", then.trim(), "--json"];
    let fork: Value = serde_json::from_str(&selvedge(&project, &fork).await).unwrap();
    assert_eq!((&fork["name"], fork["bookmark"].as_str().unwrap()), (&json!("old"), then.trim()));
    selvedge(&project, &["d1", "time-travel", "fork", "app", "new"]).await;
    assert_eq!(execute(&project, "old", sum).await, whole);
    assert_eq!(execute(&project, "new", "SELECT count(*) AS n FROM t").await, json!([{ "n": 100 }]));
    for (words, why) in [
        (&["new"][..], "A database with that name already exists: new"),
        (&["x", "--timestamp", "2001-01-01T00:00:00Z"], "does not reach back that far"),
        (&["x", "--bookmark", "nonsense"], "is not a bookmark of this database"),
    ] {
        let words = [&["d1", "time-travel", "fork", "app"], words].concat();
        let (code, _, talk) = run_apart(project.path(), &words).await;
        assert!(code == Some(1) && talk.contains(why), "{words:?}: {talk}");
    }
    let listed: Value = serde_json::from_str(&selvedge(&project, &["d1", "list", "--json"]).await).unwrap();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["app", "new", "old"]);
    assert!(listed[0]["created_at"].as_str().unwrap().starts_with("20"), "{listed}");
}

#[tokio::test]
async fn a_fork_that_a_crash_cuts_short_is_listed_nowhere() {
    let project = project();
    execute(&project, "DB", "CREATE TABLE t (n); INSERT INTO t VALUES (1)").await;
    let fork = ["d1", "time-travel", "fork", "app", "copy"];
    let (code, ..) =
        crate::support::run_with(project.path(), &fork, &[("SELVEDGE_CRASH_AT", "history-copied")]).await;
    assert_eq!(code, None, "it was aborted");
    let listed = selvedge(&project, &["d1", "list"]).await;
    assert!(listed.contains("app") && !listed.contains("copy"), "{listed}");
    selvedge(&project, &fork).await;
    assert_eq!(execute(&project, "copy", "SELECT n FROM t").await, json!([{ "n": 1 }]));
}

async fn post(api: &Api, path: &str, body: Value) -> Result<Value, ClientError> {
    let target = format!("/d1/database/app/selvedge/transactions{path}");
    api.call(Method::POST, &target, Some(&body)).await.map(|answer| answer.result)
}

fn refusal(answer: Result<Value, ClientError>) -> String {
    answer.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_holds_a_transaction_open_over_the_socket() {
    let project = project();
    let node = project.dev(&[]).await;
    let ask = async |sql: &str| {
        let reply = node.get(&format!("/?sql={}", sql.replace(' ', "+"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    ask("CREATE TABLE t (n INTEGER PRIMARY KEY)").await;
    let access = open(&project.path().join(".selvedge")).await;
    let api = access.client();
    let begin = async |limits: Value| post(api, "", limits).await.unwrap()["id"].as_str().unwrap().to_owned();
    let count = "SELECT count(*) AS n, coalesce(sum(n), 0) AS s FROM t";

    // Two rows or none, for whoever looks; a write of the Worker's waits.
    let id = begin(json!({ "time_limit_ms": 20_000, "idle_limit_ms": 20_000 })).await;
    post(api, &format!("/{id}/query"), json!({ "sql": "INSERT INTO t VALUES (?)", "params": [1] }))
        .await
        .unwrap();
    let theirs = tokio::spawn({
        let node = crate::support::client(node.address());
        async move {
            node.get("/?sql=INSERT+INTO+t+VALUES+(100)+RETURNING+(SELECT+count(*)+FROM+t)+AS+n").await.json()
        }
    });
    for n in 0..20 {
        assert_eq!(ask(count).await, json!([{ "n": 0, "s": 0 }]), "{n}: half of it was seen");
    }
    let failed = post(api, &format!("/{id}/query"), json!({ "sql": "INSERT INTO t VALUES (1)" })).await;
    assert!(refusal(failed).contains("UNIQUE constraint failed"));
    let mine =
        post(api, &format!("/{id}/query"), json!({ "sql": "INSERT INTO t VALUES (2) RETURNING n" })).await;
    assert_eq!(mine.unwrap()[0]["results"], json!([{ "n": 2 }]));
    assert!(!theirs.is_finished());
    post(api, &format!("/{id}/commit"), json!({})).await.unwrap();
    assert_eq!(theirs.await.unwrap(), json!([{ "n": 3 }]), "it came after the whole transaction");
    assert_eq!(ask(count).await, json!([{ "n": 3, "s": 103 }]));
    assert!(refusal(post(api, &format!("/{id}/commit"), json!({})).await).contains("no such transaction"));

    // Rolled back, by its client or because that has gone away or taken too long.
    let id = begin(json!({})).await;
    post(api, &format!("/{id}/query"), json!({ "sql": "DELETE FROM t" })).await.unwrap();
    post(api, &format!("/{id}/rollback"), json!({})).await.unwrap();
    for limits in [json!({ "idle_limit_ms": 50 }), json!({ "time_limit_ms": 50 })] {
        let id = begin(limits.clone()).await;
        let deleted = post(api, &format!("/{id}/query"), json!({ "sql": "DELETE FROM t" })).await;
        // The writer is free again.
        ask("UPDATE t SET n = n").await;
        let late = post(api, &format!("/{id}/query"), json!({ "sql": "SELECT 1" })).await;
        assert!(refusal(late).contains("took longer than it may"), "{limits}: {deleted:?}");
        assert!(post(api, &format!("/{id}/commit"), json!({})).await.is_err());
    }
    assert_eq!(ask(count).await, json!([{ "n": 3, "s": 103 }]));
    let refused = refusal(post(api, "", json!({ "time_limit_ms": 3_600_000 })).await);
    assert!(refused.contains("time_limit_ms is between 1 and 25000"), "{refused}");

    // One runs, the others wait, and there is no end of them that nobody has set.
    let first = begin(json!({ "time_limit_ms": 25_000, "idle_limit_ms": 25_000 })).await;
    let waiting: Vec<_> = (0..63)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { post(&api, "", json!({})).await })
        })
        .collect();
    let refused = loop {
        let one_more =
            tokio::time::timeout(std::time::Duration::from_millis(50), post(api, "", json!({}))).await;
        if let Ok(answer) = one_more {
            break refusal(answer);
        }
    };
    assert!(refused.contains("Too many transactions are open"), "{refused}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    post(api, &format!("/{first}/rollback"), json!({})).await.unwrap();
    ask("INSERT INTO t VALUES (7)").await;
    // A check of what runs, damaged or not.
    let check = async || {
        let target = "/d1/database/app/selvedge/check?repair=true";
        api.call::<Value>(Method::POST, target, None).await.unwrap().result
    };
    assert_eq!(check().await["problems"], json!([]));
    let log = project.path().join(".selvedge/d1/the-app/log");
    let files = std::fs::read_dir(&log).unwrap().map(|file| file.unwrap().path());
    let snapshot = files.into_iter().find(|file| file.extension().is_some_and(|e| e == "snapshot")).unwrap();
    flip(&snapshot, 170);
    let report = check().await;
    assert_eq!(report["sound"], json!(true), "{report}");
    assert_eq!(report["problems"][0]["kind"], json!("segment"), "{report}");
    ask("INSERT INTO t VALUES (8)").await;
    assert_eq!(check().await["problems"], json!([]));
    node.stop().await;
}
