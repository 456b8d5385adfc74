//! `selvedge.toml`.

use insta::assert_snapshot;
use selvedge_project::{Consistency, D1Settings, KvSettings};

use crate::support::Fixture;

const WRANGLER: &str = r#"
name = "app"
main = "src/index.js"
compatibility_date = "2026-11-01"
[[kv_namespaces]]
binding = "SESSIONS"
id = "one"
[[kv_namespaces]]
binding = "CACHE"
[[env.staging.kv_namespaces]]
binding = "STAGED"
"#;

fn with(settings: &str) -> Fixture {
    Fixture::new(&[("wrangler.toml", WRANGLER), ("selvedge.toml", settings)])
}

#[test]
fn a_table_is_on_its_binding_and_the_others_have_the_standard() {
    let fixture = with(
        r#"
[kv.SESSIONS]
consistency = "edge"
locations = ["ams", "NRT"]
own_writes_visible = false
cache_size = "2 MiB"
isolate_cache = true
isolate_cache_size = 4096
[kv.STAGED]
consistency = "edge"
"#,
    );
    let worker = fixture.worker();
    assert_eq!(
        worker.kv_namespaces[0].settings,
        KvSettings {
            consistency: Consistency::Edge,
            locations: vec!["AMS".to_owned(), "NRT".to_owned()],
            own_writes_visible: false,
            cache_size: 2 << 20,
            isolate_cache: true,
            isolate_cache_size: 4096,
        }
    );
    assert_eq!(worker.kv_namespaces[1].settings, KvSettings::default());
    assert_eq!(fixture.env("staging").worker().kv_namespaces[0].settings.consistency, Consistency::Edge);
}

#[test]
fn the_file_is_watched_also_before_it_exists() {
    let fixture = Fixture::new(&[("wrangler.toml", WRANGLER)]);
    assert!(fixture.load().unwrap().watched.contains(&fixture.path("selvedge.toml")));
    fixture.write("selvedge.toml", "[kv.NOPE]");
    assert!(fixture.load().unwrap_err().watched.contains(&fixture.path("selvedge.toml")));
}

#[test]
fn every_mistake_has_its_place() {
    let fixture = with(
        r#"
[cv.SESSIONS]
[kv.SESIONS]
[kv.CACHE]
consistency = "egde"
consistancy = 1
locations = ["AMS", "ams", "a b"]
cache_size = "12 MB"
isolate_cache = "yes"
[d1.DB]
"#,
    );
    assert_snapshot!(fixture.report(), @r#"
    error: unknown key `cv`
     --> /app/selvedge.toml:2:2
      |
    2 | [cv.SESSIONS]
      |  ^^ Selvedge does not know this key
      |
      = help: did you mean `kv`?

    error: `kv.SESIONS` is about a binding that does not exist
     --> /app/selvedge.toml:3:5
      |
    3 | [kv.SESIONS]
      |     ^^^^^^^ no `kv_namespaces` of the wrangler config has this binding
      |
      = help: did you mean `SESSIONS`?

    error: unknown key `kv.CACHE.consistancy`
     --> /app/selvedge.toml:6:1
      |
    6 | consistancy = 1
      | ^^^^^^^^^^^ Selvedge does not know this key
      |
      = help: did you mean `consistency`?

    error: `kv.CACHE.consistency` cannot be "egde"
     --> /app/selvedge.toml:5:15
      |
    5 | consistency = "egde"
      |               ^^^^^^ expected "strong" or "edge"

    error: the location "AMS" is named twice
     --> /app/selvedge.toml:7:21
      |
    7 | locations = ["AMS", "ams", "a b"]
      |                     ^^^^^ named before

    error: `kv.CACHE.locations[2]` is not the name of a location
     --> /app/selvedge.toml:7:28
      |
    7 | locations = ["AMS", "ams", "a b"]
      |                            ^^^^^ expected 1 to 16 letters, digits and hyphens, as in "AMS" or "weur-1"

    error: `kv.CACHE.cache_size` cannot be "12 MB"
     --> /app/selvedge.toml:8:14
      |
    8 | cache_size = "12 MB"
      |              ^^^^^^^ expected 64 KiB to 1024 GiB
      |
      = help: write bytes as a number, or a text with KiB, MiB or GiB: "64 MiB"

    error: `kv.CACHE.isolate_cache` has the wrong type
     --> /app/selvedge.toml:9:17
      |
    9 | isolate_cache = "yes"
      |                 ^^^^^ expected a boolean, found a string

    error: `d1.DB` is about a binding that does not exist
      --> /app/selvedge.toml:10:5
       |
    10 | [d1.DB]
       |     ^^ no `d1_databases` of the wrangler config has this binding
       |
       = help: tables are named by a `binding` of the wrangler config
    "#);
    assert_snapshot!(with("kv = 1").report(), @r"
    error: `kv` has the wrong type
     --> /app/selvedge.toml:1:6
      |
    1 | kv = 1
      |      ^ expected a table, found a number
    ");
    assert_snapshot!(with("[kv").report(), @r"
    error: the config is not valid TOML
     --> /app/selvedge.toml:1:4
      |
    1 | [kv
      |    ^ unclosed table, expected `]`
    ");
}

#[test]
fn settings_that_strong_consistency_makes_idle_are_said() {
    let fixture = with("[kv.CACHE]\nown_writes_visible = false\n");
    assert_snapshot!(fixture.report(), @r#"
    warning: `kv.CACHE.own_writes_visible` has no effect
     --> /app/selvedge.toml:2:1
      |
    2 | own_writes_visible = false
      | ^^^^^^^^^^^^^^^^^^ the namespace is strongly consistent
      |
      = help: set `consistency = "edge"` for reads as on Cloudflare, or remove this key
    "#);
    assert_eq!(fixture.worker().kv_namespaces[1].settings.consistency, Consistency::Strong);
}

#[test]
fn settings_belong_to_the_resource() {
    let config = |name: &str, binding: &str| {
        format!(
            "name = {name:?}\nmain = \"i.js\"\ncompatibility_date = \"2026-11-01\"\n[[kv_namespaces]]\nbinding = {binding:?}\nid = \"same\"\n"
        )
    };
    let fixture = Fixture::new(&[
        ("a/wrangler.toml", &config("a", "A")),
        ("a/i.js", ""),
        ("b/wrangler.toml", &config("b", "B")),
        ("b/i.js", ""),
        ("a/selvedge.toml", "[kv.A]\nconsistency = \"edge\"\n"),
    ])
    .configs(&["a/wrangler.toml", "b/wrangler.toml"]);
    let project = fixture.load().unwrap().project;
    for worker in &project.workers {
        assert_eq!(worker.kv_namespaces[0].settings.consistency, Consistency::Edge, "{}", worker.name);
    }
    fixture.write("b/selvedge.toml", "[kv.B]\nconsistency = \"strong\"\n");
    assert_snapshot!(fixture.report(), @r#"
    error: "same" is set up in two ways
     --> /app/b/selvedge.toml:1:5
      |
    1 | [kv.B]
      |     ^ a table in /app/a/selvedge.toml says something else
      |
      = help: settings belong to the resource, whichever binding it is used through: leave one table, or make them equal
    "#);
}

const WITH_D1: &str = r#"
name = "app"
main = "src/index.js"
compatibility_date = "2026-11-01"
[[d1_databases]]
binding = "DB"
database_name = "db"
database_id = "one"
"#;

#[test]
fn a_database_has_the_limits_that_it_is_given_and_otherwise_cloudflares() {
    let with = |settings| Fixture::new(&[("wrangler.toml", WITH_D1), ("selvedge.toml", settings)]);
    let fixture = with("[d1.DB]\nvalue_size = \"8 MiB\"\nparameters = 500\nrequest_seconds = 60\n");
    let expected = D1Settings {
        value_size: Some(8 << 20),
        parameters: Some(500),
        request_seconds: Some(60),
        ..D1Settings::default()
    };
    assert_eq!(fixture.worker().d1_databases[0].settings, expected);
    let wrong = with("[d1.DB]\ncolumns = 5000\n").load().unwrap_err();
    assert!(format!("{wrong:?}").contains("`d1.DB.columns` cannot be 5000"), "{wrong:?}");
}

#[test]
fn a_database_keeps_a_history_and_has_replicas_as_it_is_told() {
    let with = |settings| Fixture::new(&[("wrangler.toml", WITH_D1), ("selvedge.toml", settings)]);
    let fixture = with("[d1.DB]\nreplicas = 2\nreplica_lag_ms = 500\nretention_days = 7\n");
    let expected =
        D1Settings { replicas: 2, replica_lag_ms: 500, retention_days: 7, ..D1Settings::default() };
    assert_eq!(fixture.worker().d1_databases[0].settings, expected);
    assert!(expected.history);
    let fixture = with("[d1.DB]\nhistory = false\n");
    assert_eq!(
        fixture.worker().d1_databases[0].settings,
        D1Settings { history: false, ..D1Settings::default() }
    );
    let fixture = with(
        r#"
[d1.DB]
history = false
replicas = 2
retention_days = "30d"
"#,
    );
    assert_snapshot!(fixture.report(), @r#"
    warning: `d1.DB.retention_days` has no effect
     --> /app/selvedge.toml:5:1
      |
    5 | retention_days = "30d"
      | ^^^^^^^^^^^^^^ the database keeps no history
      |
      = help: remove it, or `history = false`

    error: `d1.DB.replicas` needs the history
     --> /app/selvedge.toml:4:12
      |
    4 | replicas = 2
      |            ^ a replica follows the history, and the database keeps none
      |
      = help: remove `history = false`, or set `replicas = 0`

    error: `d1.DB.retention_days` has the wrong type
     --> /app/selvedge.toml:5:18
      |
    5 | retention_days = "30d"
      |                  ^^^^^ expected a number, found a string
    "#);
    let fixture = with(
        "
[d1.DB]
replicas = 9
replica_lag_ms = 60000
",
    );
    assert_snapshot!(fixture.report(), @"
    error: `d1.DB.replicas` cannot be 9
     --> /app/selvedge.toml:3:12
      |
    3 | replicas = 9
      |            ^ expected a whole number from 0 to 8

    error: `d1.DB.replica_lag_ms` cannot be 60000
     --> /app/selvedge.toml:4:18
      |
    4 | replica_lag_ms = 60000
      |                  ^^^^^ expected a whole number from 0 to 10000
    ");
}
