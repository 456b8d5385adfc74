//! Every kind of mistake, as a person sees it.

use insta::assert_snapshot;
use selvedge_project::Level;

use crate::support::{Fixture, jsonc, toml};

#[test]
fn without_a_config_the_names_and_the_directory_are_said() {
    assert_snapshot!(Fixture::new(&[]).report(), @r"
    error: no wrangler.json or wrangler.jsonc or wrangler.toml in /app or any directory above it
     |
     = help: start in a Workers project, give its directory, or name the file with --config
    ");
}

#[test]
fn a_start_that_is_no_directory_is_said() {
    let mut fixture = Fixture::new(&[]);
    fixture.options.start = fixture.path("nowhere");
    assert_snapshot!(fixture.report(), @r"
    error: there is no directory /app/nowhere
     |
     = help: give the directory of a Workers project
    ");
}

#[test]
fn a_given_config_that_is_missing_or_of_another_kind_is_said() {
    let fixture = Fixture::new(&[("wrangler.yaml", "a: 1")]).configs(&["wrangler.yaml", "absent.toml"]);
    assert_snapshot!(fixture.report(), @r"
    error: the config has a format that is not known
    --> /app/wrangler.yaml
     = help: name a file that ends in .json, .jsonc or .toml

    error: the config cannot be read: No such file or directory (os error 2)
    --> /app/absent.toml
     = help: check the path given with --config
    ");
}

#[test]
fn malformed_jsonc_shows_the_place() {
    assert_snapshot!(jsonc("  \"vars\": { \"A\": \"x\" \"B\": 1 }").report(), @r#"
    error: the config is not valid JSON
     --> /app/wrangler.jsonc:5:21
      |
    5 |   "vars": { "A": "x" "B": 1 }
      |                     ^ expected comma
    "#);
    assert_snapshot!(Fixture::new(&[("wrangler.json", "{ 'name': 'x' }")]).report(), @r"
    error: the config is not valid JSON
     --> /app/wrangler.json:1:3
      |
    1 | { 'name': 'x' }
      |   ^ single-quoted strings are not allowed
    ");
    assert_snapshot!(Fixture::new(&[("wrangler.json", "{\n  \"name\": \"app\",\n")]).report(), @r"
    error: the config is not valid JSON
     --> /app/wrangler.json:1:1
      |
    1 | {
      | ^ unterminated object
    ");
    assert_snapshot!(Fixture::new(&[("wrangler.json", "// nothing\n")]).report(), @r"
    error: the config is empty
    --> /app/wrangler.json
     = help: it must hold an object: { … }
    ");
    assert_snapshot!(Fixture::new(&[("wrangler.json", "[1, 2]\n")]).report(), @r"
    error: the config is not an object
     --> /app/wrangler.json:1:1
      |
    1 | [1, 2]
      | ^^^^^^ expected an object, found an array
    ");
}

#[test]
fn malformed_toml_shows_the_place() {
    assert_snapshot!(toml("[vars\nA = \"x\"").report(), @r"
    error: the config is not valid TOML
     --> /app/wrangler.toml:4:6
      |
    4 | [vars
      |      ^ unclosed table, expected `]`
    ");
    assert_snapshot!(toml("vars = { A = x }").report(), @r"
    error: the config is not valid TOML
     --> /app/wrangler.toml:4:14
      |
    4 | vars = { A = x }
      |              ^ string values must be quoted, expected literal string
    ");
    assert_snapshot!(toml("name = \"again\"").report(), @r#"
    error: the config is not valid TOML
     --> /app/wrangler.toml:4:1
      |
    4 | name = "again"
      | ^^^^ duplicate key
    "#);
}

#[test]
fn a_wrong_type_names_what_was_expected_and_found() {
    assert_snapshot!(jsonc("  \"kv_namespaces\": [{ \"binding\": \"KV\", \"id\": 42 }], // ids are strings").report(), @r#"
    error: `kv_namespaces[0].id` has the wrong type
     --> /app/wrangler.jsonc:5:46
      |
    5 |   "kv_namespaces": [{ "binding": "KV", "id": 42 }], // ids are strings
      |                                              ^^ expected a string, found a number
    "#);
    assert_snapshot!(toml("[[kv_namespaces]]\nbinding = \"KV\"\nid = 42").report(), @r"
    error: `kv_namespaces[0].id` has the wrong type
     --> /app/wrangler.toml:6:6
      |
    6 | id = 42
      |      ^^ expected a string, found a number
    ");
    assert_snapshot!(toml("[kv_namespaces]\nbinding = \"KV\"").report(), @r"
    error: `kv_namespaces` has the wrong type
     --> /app/wrangler.toml:4:1
      |
    4 | [kv_namespaces]
      | ^^^^^^^^^^^^^^^ expected an array, found a table
    ");
    assert_snapshot!(jsonc("  \"vars\": [\"A\"]").report(), @r#"
    error: `vars` has the wrong type
     --> /app/wrangler.jsonc:5:11
      |
    5 |   "vars": ["A"]
      |           ^^^^^ expected an object, found an array
    "#);
    assert_snapshot!(toml("minify = \"yes\"").report(), @r#"
    error: `minify` has the wrong type
     --> /app/wrangler.toml:4:10
      |
    4 | minify = "yes"
      |          ^^^^^ expected a boolean, found a string
    "#);
}

#[test]
fn a_toml_date_wants_quotes() {
    let fixture = Fixture::new(&[(
        "wrangler.toml",
        "main = \"src/index.js\"\ncompatibility_date = 2026-11-01\nvars = { SINCE = 2026-01-01 }\n",
    )]);
    assert_snapshot!(fixture.report(), @r#"
    error: `compatibility_date` has the wrong type
     --> /app/wrangler.toml:2:22
      |
    2 | compatibility_date = 2026-11-01
      |                      ^^^^^^^^^^ expected a string, found a date
      |
      = help: put it in quotes: "2026-11-01"

    error: `vars.SINCE` is a TOML date
     --> /app/wrangler.toml:3:18
      |
    3 | vars = { SINCE = 2026-01-01 }
      |                  ^^^^^^^^^^ expected anything but a date
      |
      = help: put it in quotes: "2026-01-01"
    "#);
}

#[test]
fn a_missing_key_is_named_where_it_belongs() {
    assert_snapshot!(jsonc("  \"d1_databases\": [\n    { \"database_id\": \"x\" }\n  ]").report(), @r#"
    error: `d1_databases[0]` has no `binding`
     --> /app/wrangler.jsonc:6:5
      |
    6 |     { "database_id": "x" }
      |     ^^^^^^^^^^^^^^^^^^^^^^ `binding` is required: a string
    "#);
    assert_snapshot!(toml("[[durable_objects.bindings]]\nname = \"ROOM\"").report(), @r"
    error: `durable_objects.bindings[0]` has no `class_name`
     --> /app/wrangler.toml:4:1
      |
    4 | [[durable_objects.bindings]]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `class_name` is required: a string
    ");
}

#[test]
fn an_unknown_choice_lists_the_choices() {
    let fixture = toml("[assets]\ndirectory = \"src\"\nhtml_handling = \"drop-trailing-slashes\"");
    assert_snapshot!(fixture.report(), @r#"
    error: `assets.html_handling` cannot be "drop-trailing-slashes"
     --> /app/wrangler.toml:6:17
      |
    6 | html_handling = "drop-trailing-slashes"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^ expected "auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash" or "none"
      |
      = help: did you mean "drop-trailing-slash"?
    "#);
}

#[test]
fn a_typo_is_a_warning_with_the_key_that_was_meant() {
    assert_snapshot!(jsonc("  \"kv_namespace\": []").report(), @r#"
    warning: unexpected key `kv_namespace`
     --> /app/wrangler.jsonc:5:3
      |
    5 |   "kv_namespace": []
      |   ^^^^^^^^^^^^^^ neither wrangler nor Selvedge knows this key; it is ignored
      |
      = help: did you mean `kv_namespaces`?
    "#);
    assert_snapshot!(toml("[[kv_namespaces]]\nbinding = \"KV\"\nidd = \"x\"").report(), @r#"
    warning: unexpected key `kv_namespaces[0].idd`
     --> /app/wrangler.toml:6:1
      |
    6 | idd = "x"
      | ^^^ this key is ignored
      |
      = help: did you mean `id`?
    "#);
    assert_snapshot!(toml("frobnicate = true").report(), @r"
    warning: unexpected key `frobnicate`
     --> /app/wrangler.toml:4:1
      |
    4 | frobnicate = true
      | ^^^^^^^^^^ neither wrangler nor Selvedge knows this key; it is ignored
    ");
}

#[test]
fn a_top_level_key_behind_a_table_header_is_explained() {
    assert_snapshot!(toml("[triggers]\ncrons = []\nminify = true").report(), @r"
    warning: unexpected key `triggers.minify`
     --> /app/wrangler.toml:6:1
      |
    6 | minify = true
      | ^^^^^^ this key is ignored
      |
      = help: if `minify` is meant for the top level, move it above the first [table]
    ");
}

#[test]
fn an_unknown_environment_lists_the_environments() {
    let fixture = toml("[env.staging]\n[env.production]").env("prodution");
    assert_snapshot!(fixture.report(), @r#"
    error: the config has no environment "prodution"
     --> /app/wrangler.toml:4:2
      |
    4 | [env.staging]
      |  ^^^ the environments are: staging, production
      |
      = help: did you mean "production"?
    "#);
}

#[test]
fn an_unsupported_binding_says_what_will_be_missing() {
    assert_snapshot!(jsonc("  \"ai\": { \"binding\": \"AI\" }").report(), @r#"
    warning: bindings of kind AI are not supported
     --> /app/wrangler.jsonc:5:22
      |
    5 |   "ai": { "binding": "AI" }
      |                      ^^^^ `env.AI` will be missing
    "#);
    assert_snapshot!(toml("[[vectorize]]\nbinding = \"INDEX\"\nindex_name = \"x\"").report(), @r#"
    warning: bindings of kind Vectorize Index are not supported
     --> /app/wrangler.toml:5:11
      |
    5 | binding = "INDEX"
      |           ^^^^^^^ `env.INDEX` will be missing
    "#);
    assert_snapshot!(toml("[[tail_consumers]]\nservice = \"logs\"").report(), @r"
    warning: `tail_consumers` is not supported
     --> /app/wrangler.toml:4:3
      |
    4 | [[tail_consumers]]
      |   ^^^^^^^^^^^^^^ no tail events are sent
    ");
}

#[test]
fn keys_that_mean_nothing_here_are_not_mentioned() {
    let fixture = jsonc(
        r#"  "$schema": "x", "account_id": "x", "workers_dev": true, "routes": ["a.example/*"],
        "observability": { "enabled": true }, "placement": { "mode": "smart" }, "preview_urls": false,
        "upload_source_maps": true, "send_metrics": false, "limits": { "cpu_ms": 10 }"#,
    );
    assert_eq!(fixture.report(), "");
}

#[test]
fn a_binding_name_used_twice_shows_both_places() {
    let fixture = toml("vars = { DB = \"x\" }\n\n[[d1_databases]]\nbinding = \"DB\"");
    assert_snapshot!(fixture.report(), @r#"
    error: two bindings have the name `DB`
     --> /app/wrangler.toml:7:11
      |
    4 | vars = { DB = "x" }
      |          -- first used for a binding of kind Environment Variable
    ...
    7 | binding = "DB"
      |           ^^^^ used again for a binding of kind D1 Database
      |
      = help: each binding needs a name of its own, since all of them are fields of `env`
    "#);
}

#[test]
fn a_key_given_twice_in_json_is_a_warning() {
    assert_snapshot!(jsonc("  \"minify\": true,\n  \"minify\": false").report(), @r#"
    warning: the key `minify` is given twice
     --> /app/wrangler.jsonc:6:3
      |
    5 |   "minify": true,
      |   -------- this one is ignored
    6 |   "minify": false
      |   ^^^^^^^^ this one counts
    "#);
    assert!(!jsonc("  \"minify\": true,\n  \"minify\": false").worker().build.unwrap().minify);
}

#[test]
fn hyperdrive_without_a_database_says_how_to_give_one() {
    assert_snapshot!(toml("[[hyperdrive]]\nbinding = \"PG\"\nid = \"x\"").report(), @r"
    error: `hyperdrive[0]` has no database to connect to
     --> /app/wrangler.toml:4:1
      |
    4 | [[hyperdrive]]
      | ^^^^^^^^^^^^^^ a local connection string is required
      |
      = help: set `localConnectionString`, or CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_PG in the environment, to postgres://user:password@host:port/database or its mysql:// counterpart
    ");
}

#[test]
fn assets_must_be_there_and_fit_the_script() {
    let fixture = Fixture::new(&[(
        "wrangler.jsonc",
        r#"{
  "compatibility_date": "2026-11-01",
  "assets": { "directory": "public", "binding": "ASSETS", "run_worker_first": true }
}"#,
    )]);
    assert_snapshot!(fixture.report(), @r#"
    error: the assets directory does not exist
     --> /app/wrangler.jsonc:3:28
      |
    3 |   "assets": { "directory": "public", "binding": "ASSETS", "run_worker_first": true }
      |                            ^^^^^^^^ looked for /app/public

    error: an assets binding needs a Worker script
     --> /app/wrangler.jsonc:3:49
      |
    3 |   "assets": { "directory": "public", "binding": "ASSETS", "run_worker_first": true }
      |                                                 ^^^^^^^^ nothing could use this binding
      |
      = help: remove `binding`, or set `main`

    error: `run_worker_first` needs a Worker script
     --> /app/wrangler.jsonc:3:79
      |
    3 |   "assets": { "directory": "public", "binding": "ASSETS", "run_worker_first": true }
      |                                                                               ^^^^ there is no Worker to run
      |
      = help: remove `run_worker_first`, or set `main`
    "#);
    let rules = jsonc("  \"assets\": { \"directory\": \"src\", \"run_worker_first\": [\"!/a\", \"b\"] }");
    assert_snapshot!(rules.report(), @r#"
    error: `assets.run_worker_first[1]` is not a valid rule
     --> /app/wrangler.jsonc:5:63
      |
    5 |   "assets": { "directory": "src", "run_worker_first": ["!/a", "b"] }
      |                                                               ^^^ expected a path that starts with / or !/
    "#);
}

#[test]
fn a_config_without_anything_to_run_says_what_to_set() {
    let fixture = Fixture::new(&[("wrangler.toml", "compatibility_date = \"2026-11-01\"\n")]);
    assert_snapshot!(fixture.report(), @r"
    error: the config has neither a script nor assets
    --> /app/wrangler.toml
     = help: set `main` to the entry file of the Worker, or `assets.directory` to the files to serve
    ");
}

#[test]
fn an_entry_that_is_not_there_is_an_error_unless_a_build_makes_it() {
    let config = "main = \"dist/x.js\"\ncompatibility_date = \"2026-11-01\"\n";
    assert_snapshot!(Fixture::new(&[("wrangler.toml", config)]).report(), @r#"
    error: the entry file of the Worker does not exist
     --> /app/wrangler.toml:1:8
      |
    1 | main = "dist/x.js"
      |        ^^^^^^^^^^^ looked for /app/dist/x.js
    "#);
    let built = format!("{config}build.command = \"make\"\n");
    assert_eq!(Fixture::new(&[("wrangler.toml", &built)]).report(), "");
}

#[test]
fn an_undeclared_object_class_is_a_warning() {
    let fixture = toml("durable_objects.bindings = [{ name = \"ROOM\", class_name = \"Room\" }]");
    assert_snapshot!(fixture.report(), @r#"
    warning: the Durable Object class `Room` is not declared
     --> /app/wrangler.toml:4:59
      |
    4 | durable_objects.bindings = [{ name = "ROOM", class_name = "Room" }]
      |                                                           ^^^^^^ no migration creates it
      |
      = help: add a migration with `new_sqlite_classes` = ["Room"]; until then it has the old key-value storage, without SQL
    "#);
}

#[test]
fn migrations_and_exports_exclude_each_other() {
    let fixture = jsonc(
        r#"  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }],
  "exports": { "Room": { "type": "durable-object", "storage": "sqlite" } }"#,
    );
    assert_snapshot!(fixture.report(), @r#"
    error: `migrations` and `exports` exclude each other
     --> /app/wrangler.jsonc:6:3
      |
    5 |   "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }],
      |   ------------ the older way
    6 |   "exports": { "Room": { "type": "durable-object", "storage": "sqlite" } }
      |   ^^^^^^^^^ the newer way
      |
      = help: keep one of them: both say how the Durable Object classes came to be
    "#);
}

#[test]
fn migrations_are_followed_step_by_step() {
    let fixture = toml(
        r#"
[[migrations]]
tag = "v1"
new_sqlite_classes = ["A", "A"]
renamed_classes = [{ from = "X", to = "Y" }]

[[migrations]]
tag = "v2"
deleted_classes = ["B"]
transferred_classes = [{ from = "A", from_script = "x", to = "B" }]
"#,
    );
    assert_snapshot!(fixture.report(), @r#"
    warning: `migrations[1].transferred_classes` is not supported
      --> /app/wrangler.toml:13:1
       |
    13 | transferred_classes = [{ from = "A", from_script = "x", to = "B" }]
       | ^^^^^^^^^^^^^^^^^^^ nothing is taken over from another Worker

    error: the class `X` is renamed before it exists
     --> /app/wrangler.toml:8:29
      |
    8 | renamed_classes = [{ from = "X", to = "Y" }]
      |                             ^^^ no earlier migration creates it

    error: the class `A` is created twice
     --> /app/wrangler.toml:7:28
      |
    7 | new_sqlite_classes = ["A", "A"]
      |                            ^^^ it exists already

    error: the class `B` is deleted before it exists
      --> /app/wrangler.toml:12:20
       |
    12 | deleted_classes = ["B"]
       |                    ^^^ no earlier migration creates it
    "#);
}

#[test]
fn all_mistakes_are_reported_at_once_with_the_errors_last() {
    let fixture = jsonc(
        r#"  "minfy": true,
  "r2_buckets": [{ "binding": "FILES", "bucket_name": "Not A Bucket" }],
  "queues": { "consumers": [{ "queue": "jobs", "max_batch_size": 1000, "dead_letter_queue": "jobs" }] },
  "triggers": { "crons": ["* * *"] },
  "workflows": [{ "binding": "FLOW", "name": "my flow", "class_name": "Flow" }]"#,
    );
    let error = fixture.load().unwrap_err();
    let levels: Vec<Level> = error.diagnostics.iter().map(|diagnostic| diagnostic.level).collect();
    assert_eq!(levels[0], Level::Warning);
    assert!(levels[1..].iter().all(|level| *level == Level::Error));
    assert_snapshot!(fixture.messages().join("\n"), @r#"
    unexpected key `minfy`
    `queues.consumers[0].max_batch_size` cannot be 1000
    the queue "jobs" is its own dead letter queue
    `r2_buckets[0].bucket_name` is not a bucket name
    `triggers.crons[0]` is not a cron expression
    `workflows[0].name` is not a workflow name
    "#);
}

#[test]
fn a_place_counts_lines_and_columns_from_one() {
    let error = toml("[[kv_namespaces]]\nbinding = 1").load().unwrap_err();
    let place = error.diagnostics[0].place.as_ref().unwrap();
    assert_eq!(place.line_and_column(), Some((5, 11)));
    assert!(place.file.ends_with("wrangler.toml"));
}

#[test]
fn color_is_used_only_if_asked_for() {
    let error = toml("minify = 1").load().unwrap_err();
    assert!(!error.render(false).contains('\u{1b}'));
    assert!(error.render(true).contains('\u{1b}'));
}

#[test]
fn what_was_wrong_is_watched() {
    let fixture = toml("minify = 1");
    let error = fixture.load().unwrap_err();
    assert!(error.watched.contains(&fixture.path("wrangler.toml")));
    assert!(error.watched.contains(&fixture.path(".dev.vars")));
}

#[test]
fn a_redirect_of_a_build_tool_is_mentioned() {
    let fixture = toml("");
    fixture.write(".wrangler/deploy/config.json", "{}");
    assert_snapshot!(fixture.report(), @r"
    warning: a redirect to a generated config is ignored
    --> /app/.wrangler/deploy/config.json
     = help: /app/wrangler.toml is used; to run the generated config, name it with --config
    ");
}
