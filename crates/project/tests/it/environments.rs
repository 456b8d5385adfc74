//! What an environment takes over from the top level, and what it does not.

use insta::assert_snapshot;

use crate::support::{Fixture, jsonc, toml};

#[test]
fn the_name_gets_the_environments_name_unless_the_environment_has_its_own() {
    let config = "[env.staging]\n[env.named]\nname = \"other\"\n";
    assert_eq!(toml(config).worker().name, "app");
    assert_eq!(toml(config).env("").worker().name, "app");
    assert_eq!(toml(config).env("staging").worker().name, "app-staging");
    assert_eq!(toml(config).env("named").worker().name, "other");
    let nameless = Fixture::new(&[("wrangler.toml", "main = \"src/index.js\"\n[env.staging]")]);
    assert_eq!(nameless.worker().name, "worker");
    assert_eq!(nameless.env("staging").worker().name, "worker");
}

#[test]
fn the_environment_can_come_from_the_process() {
    let fixture = toml("[env.staging]\n").environment(&[("CLOUDFLARE_ENV", "staging")]);
    assert_eq!(fixture.worker().name, "app-staging");
}

/// A key, its value at the top level, its value in the environment, and what of the Worker shows it.
type Inherited = (&'static str, &'static str, &'static str, fn(&selvedge_project::Worker) -> String);

const INHERITED: &[Inherited] = &[
    ("main", "\"src/index.js\"", "\"src/other.js\"", |w| {
        w.build.as_ref().unwrap().main.file_name().unwrap().to_string_lossy().into_owned()
    }),
    ("compatibility_date", "\"2026-01-01\"", "\"2026-02-02\"", |w| w.compatibility_date.clone()),
    ("compatibility_flags", "[\"nodejs_compat\"]", "[]", |w| w.compatibility_flags.join(",")),
    ("no_bundle", "true", "false", |w| w.build.as_ref().unwrap().no_bundle.to_string()),
    ("find_additional_modules", "true", "false", |w| {
        w.build.as_ref().unwrap().find_additional_modules.to_string()
    }),
    ("preserve_file_names", "true", "false", |w| w.build.as_ref().unwrap().preserve_file_names.to_string()),
    ("base_dir", "\"src\"", "\".\"", |w| w.build.as_ref().unwrap().base_dir.ends_with("src").to_string()),
    ("build", "{ command = \"a\" }", "{ command = \"b\" }", |w| {
        w.build.as_ref().unwrap().command.as_ref().unwrap().command.clone()
    }),
    ("rules", "[{ type = \"Text\", globs = [\"**/*.md\"], fallthrough = true }]", "[]", |w| {
        w.build.as_ref().unwrap().rules.len().to_string()
    }),
    ("minify", "true", "false", |w| w.build.as_ref().unwrap().minify.to_string()),
    ("keep_names", "false", "true", |w| w.build.as_ref().unwrap().keep_names.to_string()),
    ("tsconfig", "\"a.json\"", "\"b.json\"", |w| {
        w.build.as_ref().unwrap().tsconfig.as_ref().unwrap().ends_with("a.json").to_string()
    }),
    ("jsx_factory", "\"h\"", "\"j\"", |w| w.build.as_ref().unwrap().jsx_factory.clone().unwrap()),
    ("jsx_fragment", "\"H\"", "\"J\"", |w| w.build.as_ref().unwrap().jsx_fragment.clone().unwrap()),
    ("triggers", "{ crons = [\"* * * * *\"] }", "{ crons = [] }", |w| w.crons.join(",")),
    (
        "migrations",
        "[{ tag = \"v1\", new_classes = [\"A\"] }]",
        "[{ tag = \"v2\", new_classes = [\"B\"] }]",
        |w| format!("{:?}", w.object_lifecycle),
    ),
    (
        "exports",
        "{ A = { type = \"durable-object\", storage = \"sqlite\" } }",
        "{ B = { type = \"durable-object\", storage = \"sqlite\" } }",
        |w| format!("{:?}", w.object_lifecycle),
    ),
    ("assets", "{ directory = \"src\" }", "{ directory = \".\" }", |w| {
        w.assets.as_ref().unwrap().directory.ends_with("src").to_string()
    }),
];

#[test]
fn inheritable_keys_fall_through_unless_the_environment_sets_them() {
    for (key, top, own, show) in INHERITED {
        let always = [("main", "\"src/index.js\""), ("compatibility_date", "\"2026-01-01\"")];
        let head: Vec<String> = always
            .iter()
            .filter(|(name, _)| name != key)
            .map(|(name, value)| format!("{name} = {value}\n"))
            .collect();
        let head = head.concat();
        let config = format!("{head}{key} = {top}\n[env.inherits]\n[env.sets]\n{key} = {own}\n");
        let fixture = Fixture::new(&[("wrangler.toml", &config), ("src/other.js", "")]);
        let at_top = show(&fixture.worker());
        let fixture = fixture.env("inherits");
        assert_eq!(show(&fixture.worker()), at_top, "{key} is inherited");
        assert_eq!(fixture.report(), "", "{key} is inherited in silence");
        assert_ne!(show(&fixture.env("sets").worker()), at_top, "{key} is set by the environment");
    }
}

/// A key that belongs to one environment, its value, and how many of it the Worker has.
type Own = (&'static str, &'static str, fn(&selvedge_project::Worker) -> usize);

const NOT_INHERITED: &[Own] = &[
    ("vars", "{ A = \"x\" }", |w| w.vars.len()),
    ("define", "{ A = \"1\" }", |w| w.build.as_ref().unwrap().define.len()),
    ("kv_namespaces", "[{ binding = \"A\" }]", |w| w.kv_namespaces.len()),
    ("d1_databases", "[{ binding = \"A\" }]", |w| w.d1_databases.len()),
    ("r2_buckets", "[{ binding = \"A\" }]", |w| w.r2_buckets.len()),
    (
        "durable_objects",
        "{ bindings = [{ name = \"A\", class_name = \"A\", script_name = \"app\" }] }",
        |w| w.durable_objects.len(),
    ),
    (
        "hyperdrive",
        "[{ binding = \"A\", id = \"x\", localConnectionString = \"postgres://u:p@h/d\" }]",
        |w| w.hyperdrive.len(),
    ),
    ("services", "[{ binding = \"A\", service = \"app\" }]", |w| w.services.len()),
    ("queues", "{ producers = [{ binding = \"A\", queue = \"q\" }] }", |w| w.queue_producers.len()),
    ("workflows", "[{ binding = \"A\", name = \"a\", class_name = \"A\" }]", |w| w.workflows.len()),
    ("version_metadata", "{ binding = \"A\" }", |w| w.version_metadata.iter().count()),
];

#[test]
fn other_keys_belong_to_one_environment_and_are_missed_aloud() {
    for (key, value, count) in NOT_INHERITED {
        let fixture = toml(&format!("{key} = {value}\n[env.without]\n[env.has]\n{key} = {value}\n"));
        assert_eq!(count(&fixture.worker()), 1, "{key} at the top level");
        let fixture = fixture.env("without");
        assert_eq!(count(&fixture.worker()), 0, "{key} is not inherited");
        assert_eq!(
            fixture.messages(),
            [format!("`{key}` is set at the top level, but not in `env.without`")],
            "{key} is missed aloud"
        );
        let fixture = fixture.env("has");
        assert_eq!(count(&fixture.worker()), 1, "{key} of the environment");
    }
}

#[test]
fn a_missing_key_is_shown_where_the_top_level_has_it() {
    let fixture = jsonc("  \"vars\": { \"A\": 1 },\n  \"env\": { \"staging\": {} }").env("staging");
    assert_snapshot!(fixture.report(), @r#"
    warning: `vars` is set at the top level, but not in `env.staging`
     --> /app/wrangler.jsonc:5:3
      |
    5 |   "vars": { "A": 1 },
      |   ^^^^^^ environments do not inherit `vars`
      |
      = help: add `vars` to `env.staging` if the environment needs it
    "#);
}

#[test]
fn single_bindings_that_only_one_place_has_are_named() {
    let fixture = toml(
        "vars = { A = \"x\", B = \"x\" }
define = { X = \"1\" }
kv_namespaces = [{ binding = \"KV\" }, { binding = \"CACHE\" }]
[env.staging]
vars = { A = \"x\", C = \"x\" }
define = { Y = \"1\" }
kv_namespaces = [{ binding = \"KV\" }]
",
    );
    assert_snapshot!(fixture.env("staging").messages().join("\n"), @r"
    `X` of `define` is missing from `env.staging`
    `Y` of `env.staging.define` is missing from the top level
    `B` of `vars` is missing from `env.staging`
    `CACHE` of `kv_namespaces` is missing from `env.staging`
    ");
}

#[test]
fn without_any_environments_the_top_level_is_used_with_a_warning() {
    let fixture = toml("vars = { A = \"x\" }").env("staging");
    assert_eq!(fixture.worker().name, "app-staging");
    assert_eq!(fixture.worker().vars.len(), 1);
    assert_snapshot!(fixture.report(), @r#"
    warning: the config has no environment "staging"
    --> /app/wrangler.toml
     = help: the top level is used, with the environment's name behind the Worker's
    "#);
}

#[test]
fn top_level_keys_do_not_work_in_an_environment() {
    let fixture = toml("alias = { a = \"b\" }\n[env.staging]\nalias = { a = \"c\" }").env("staging");
    assert_snapshot!(fixture.report(), @r#"
    warning: unexpected key `env.staging.alias`
     --> /app/wrangler.toml:6:1
      |
    6 | alias = { a = "c" }
      | ^^^^^ `alias` works at the top level only
    "#);
    assert_eq!(fixture.worker().build.unwrap().alias["a"], "b");
}

#[test]
fn mistakes_in_an_environment_say_which() {
    let fixture =
        toml("[env.staging.vars]\nA = 1\n[[env.staging.r2_buckets]]\nbucket_name = \"x\"").env("staging");
    assert_snapshot!(fixture.report(), @r#"
    error: `env.staging.r2_buckets[0]` has no `binding`
     --> /app/wrangler.toml:6:1
      |
    6 | [[env.staging.r2_buckets]]
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^ `binding` is required: a string

    error: `env.staging.r2_buckets[0].bucket_name` is not a bucket name
     --> /app/wrangler.toml:7:15
      |
    7 | bucket_name = "x"
      |               ^^^ expected 3 to 63 characters: lowercase letters, digits and hyphens, no hyphen at either end
    "#);
}

#[test]
fn the_environment_of_an_object_binding_needs_a_script() {
    let fixture =
        toml("durable_objects.bindings = [{ name = \"A\", class_name = \"A\", environment = \"staging\" }]");
    assert_eq!(
        fixture.load().unwrap_err().diagnostics.last().unwrap().message,
        "`durable_objects.bindings[0]` has no `script_name`"
    );
}
