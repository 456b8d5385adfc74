//! Both formats mean the same, for every kind of binding.

use std::path::PathBuf;

use selvedge_project::{ObjectLifecycle, ObjectState, Var, Worker};

use crate::support::{jsonc, toml};

/// The Worker that both configs describe; fails if they differ.
fn same(toml_text: &str, json_text: &str) -> Worker {
    let [from_toml, from_json] = [toml(toml_text), jsonc(json_text)].map(|fixture| {
        let worker = Worker { config: PathBuf::new(), ..fixture.worker() };
        (fixture.anonymous(&format!("{worker:#?}")), worker)
    });
    assert_eq!(from_toml.0, from_json.0);
    from_toml.1
}

#[test]
fn vars() {
    let worker = same(
        "[vars]\nTEXT = \"x\"\nNUMBER = 1\nFLOAT = 1.5\nYES = true\nLIST = [1, \"a\\n\"]\nDEEP = { a = { b = [] } }",
        r#""vars": { "TEXT": "x", "NUMBER": 1, "FLOAT": 1.5, "YES": true, "LIST": [1, "a\n"],
           "DEEP": { "a": { "b": [] } }, }"#,
    );
    assert_eq!(worker.vars["TEXT"], Var::Text("x".to_owned()));
    assert_eq!(worker.vars["NUMBER"], Var::Json("1".to_owned()));
    assert_eq!(worker.vars["LIST"], Var::Json(r#"[1,"a\n"]"#.to_owned()));
    assert_eq!(worker.vars["DEEP"], Var::Json(r#"{"a":{"b":[]}}"#.to_owned()));
}

#[test]
fn kv_namespaces() {
    let worker = same(
        "[[kv_namespaces]]\nbinding = \"A\"\n[[kv_namespaces]]\nbinding = \"B\"\nid = \"b\"
[[kv_namespaces]]\nbinding = \"C\"\nid = \"c\"\npreview_id = \"p\"",
        r#""kv_namespaces": [ { "binding": "A" }, { "binding": "B", "id": "b" }, // a comment
           { "binding": "C", "id": "c", "preview_id": "p" } ]"#,
    );
    // As in wrangler: the preview id is the local one, and without any id the binding's name stands in.
    let ids: Vec<&str> = worker.kv_namespaces.iter().map(|kv| kv.id.as_str()).collect();
    assert_eq!(ids, ["A", "b", "p"]);
}

#[test]
fn d1_databases() {
    let worker = same(
        "[[d1_databases]]\nbinding = \"DB\"\n[[d1_databases]]\nbinding = \"B\"\ndatabase_name = \"n\"
database_id = \"i\"\npreview_database_id = \"p\"\nmigrations_dir = \"./sql/../m\"\nmigrations_table = \"t\"",
        r#""d1_databases": [ { "binding": "DB" }, { "binding": "B", "database_name": "n", "database_id": "i",
           "preview_database_id": "p", "migrations_dir": "./sql/../m", "migrations_table": "t" } ]"#,
    );
    let [db, b] = &worker.d1_databases[..] else { panic!("two databases") };
    assert_eq!((db.name.as_str(), db.id.as_str()), ("DB", "DB"));
    assert_eq!(db.migrations_dir, worker.root.join("migrations"));
    assert_eq!(db.migrations_table, "d1_migrations");
    assert_eq!((b.name.as_str(), b.id.as_str(), b.migrations_table.as_str()), ("n", "p", "t"));
    assert_eq!(b.migrations_dir, worker.root.join("m"));
}

#[test]
fn r2_buckets() {
    let worker = same(
        "r2_buckets = [{ binding = \"A\", bucket_name = \"a-1\" }, { binding = \"B\" },
{ binding = \"C\", bucket_name = \"ccc\", preview_bucket_name = \"ppp\" }]",
        r#""r2_buckets": [{ "binding": "A", "bucket_name": "a-1" }, { "binding": "B" },
           { "binding": "C", "bucket_name": "ccc", "preview_bucket_name": "ppp" }]"#,
    );
    let buckets: Vec<&str> = worker.r2_buckets.iter().map(|r2| r2.bucket.as_str()).collect();
    assert_eq!(buckets, ["a-1", "B", "ppp"]);
}

#[test]
fn durable_objects_and_migrations() {
    let worker = same(
        r#"
[durable_objects]
bindings = [
  { name = "A", class_name = "A" },
  { name = "B", class_name = "B", script_name = "other" },
  { name = "C", class_name = "C", script_name = "app" },
]
[[migrations]]
tag = "v1"
new_classes = ["A"]
new_sqlite_classes = ["X", "Y"]
[[migrations]]
tag = "v2"
renamed_classes = [{ from = "X", to = "C" }]
deleted_classes = ["Y"]
"#,
        r#""durable_objects": { "bindings": [ { "name": "A", "class_name": "A" },
             { "name": "B", "class_name": "B", "script_name": "other" },
             { "name": "C", "class_name": "C", "script_name": "app" } ] },
           "migrations": [ { "tag": "v1", "new_classes": ["A"], "new_sqlite_classes": ["X", "Y"] },
             { "tag": "v2", "renamed_classes": [{ "from": "X", "to": "C" }], "deleted_classes": ["Y"] } ]"#,
    );
    let scripts: Vec<Option<&str>> = worker.durable_objects.iter().map(|o| o.script.as_deref()).collect();
    assert_eq!(scripts, [None, Some("other"), None], "the Worker's own name is no other script");
    let ObjectLifecycle::Migrations(migrations) = worker.object_lifecycle else { panic!("migrations") };
    assert_eq!(migrations[0].new_sqlite_classes, ["X", "Y"]);
    assert_eq!(migrations[1].renamed_classes, [("X".to_owned(), "C".to_owned())]);
}

#[test]
fn exports() {
    let worker = same(
        r#"
durable_objects.bindings = [{ name = "A", class_name = "A" }]
[exports]
A = { type = "durable-object", storage = "sqlite" }
B = { type = "durable-object", storage = "legacy-kv", state = "created" }
C = { type = "durable-object", state = "renamed", renamed_to = "A" }
D = { type = "durable-object", state = "deleted" }
E = { type = "worker" }
"#,
        r#""durable_objects": { "bindings": [{ "name": "A", "class_name": "A" }] },
           "exports": {
             "A": { "type": "durable-object", "storage": "sqlite" },
             "B": { "type": "durable-object", "storage": "legacy-kv", "state": "created" },
             "C": { "type": "durable-object", "state": "renamed", "renamed_to": "A" },
             "D": { "type": "durable-object", "state": "deleted" },
             "E": { "type": "worker" }
           }"#,
    );
    let ObjectLifecycle::Exports(exports) = worker.object_lifecycle else { panic!("exports") };
    assert_eq!(exports.keys().collect::<Vec<_>>(), ["A", "B", "C", "D"]);
    assert!(exports["A"].sqlite && !exports["B"].sqlite);
    assert_eq!(exports["C"].state, ObjectState::RenamedTo("A".to_owned()));
    assert_eq!(exports["D"].state, ObjectState::Deleted);
}

#[test]
fn hyperdrive() {
    let worker = same(
        "[[hyperdrive]]\nbinding = \"PG\"\nid = \"x\"\nlocalConnectionString = \"postgres://u:p@h:1/d\"",
        r#""hyperdrive": [{ "binding": "PG", "id": "x", "localConnectionString": "postgres://u:p@h:1/d" }]"#,
    );
    assert_eq!(worker.hyperdrive[0].connection_string, "postgres://u:p@h:1/d");
}

#[test]
fn services() {
    let worker = same(
        "[[services]]\nbinding = \"A\"\nservice = \"app\"\nentrypoint = \"Admin\"\nprops = { role = \"x\" }",
        r#""services": [{ "binding": "A", "service": "app", "entrypoint": "Admin", "props": { "role": "x" } }]"#,
    );
    assert_eq!(worker.services[0].entrypoint.as_deref(), Some("Admin"));
    assert_eq!(worker.services[0].props.as_deref(), Some(r#"{"role":"x"}"#));
}

#[test]
fn assets() {
    let worker = same(
        "[assets]\ndirectory = \"./src\"\nbinding = \"ASSETS\"\nnot_found_handling = \"404-page\"
run_worker_first = [\"/api/*\", \"!/api/docs\"]",
        r#""assets": { "directory": "./src", "binding": "ASSETS", "not_found_handling": "404-page",
           "run_worker_first": ["/api/*", "!/api/docs"] }"#,
    );
    let assets = worker.assets.unwrap();
    assert_eq!(assets.directory, worker.root.join("src"));
    assert_eq!(
        assets.config,
        r#"{"not_found_handling":"404-page","run_worker_first":["/api/*","!/api/docs"]}"#
    );
}

#[test]
fn queues_and_crons() {
    let worker = same(
        "triggers.crons = [\"*/5 * * * *\"]
[[queues.producers]]\nbinding = \"Q\"\nqueue = \"jobs\"
[[queues.consumers]]\nqueue = \"jobs\"\nmax_batch_size = 10\nmax_batch_timeout = 1\nmax_retries = 2
dead_letter_queue = \"dead\"\nretry_delay = 3\nmax_concurrency = 4",
        r#""triggers": { "crons": ["*/5 * * * *"] },
           "queues": { "producers": [{ "binding": "Q", "queue": "jobs" }],
             "consumers": [{ "queue": "jobs", "max_batch_size": 10, "max_batch_timeout": 1, "max_retries": 2,
               "dead_letter_queue": "dead", "retry_delay": 3, "max_concurrency": 4 }] }"#,
    );
    let consumer = &worker.queue_consumers[0];
    assert_eq!((consumer.max_batch_size, consumer.max_concurrency), (Some(10), Some(4)));
    assert_eq!(worker.crons, ["*/5 * * * *"]);
}

#[test]
fn workflows_and_version_metadata() {
    let worker = same(
        "version_metadata.binding = \"VERSION\"
[[workflows]]\nbinding = \"FLOW\"\nname = \"my-flow\"\nclass_name = \"Flow\"\nlimits.steps = 5",
        r#""version_metadata": { "binding": "VERSION" },
           "workflows": [{ "binding": "FLOW", "name": "my-flow", "class_name": "Flow", "limits": { "steps": 5 } }]"#,
    );
    assert_eq!(worker.workflows[0].steps, Some(5));
    assert_eq!(worker.version_metadata.as_deref(), Some("VERSION"));
}

#[test]
fn the_build() {
    let worker = same(
        "minify = true\nkeep_names = false\nno_bundle = true\nbase_dir = \".\"\njsx_factory = \"h\"
alias = { a = \"./b\" }\ndefine = { X = \"1\" }
build = { command = \"make\", cwd = \"tools\", watch_dir = [\"a\", \"b\"] }",
        r#""minify": true, "keep_names": false, "no_bundle": true, "base_dir": ".", "jsx_factory": "h",
           "alias": { "a": "./b" }, "define": { "X": "1" },
           "build": { "command": "make", "cwd": "tools", "watch_dir": ["a", "b"] }"#,
    );
    let build = worker.build.unwrap();
    assert!(build.minify && build.no_bundle && !build.keep_names);
    assert_eq!(build.base_dir, worker.root);
    let command = build.command.unwrap();
    assert_eq!(command.cwd, worker.root.join("tools"));
    assert_eq!(command.watch, [worker.root.join("a"), worker.root.join("b")]);
}
