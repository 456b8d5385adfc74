//! Entry, module rules, custom build, and where configs are found.

use insta::assert_snapshot;
use selvedge_project::{ModuleKind, Rule};

use crate::support::{Fixture, toml};

fn rules(config: &str) -> Vec<Rule> {
    toml(config).worker().build.unwrap().rules
}

fn rule(kind: ModuleKind, globs: &[&str]) -> Rule {
    Rule { kind, globs: globs.iter().map(|&glob| glob.to_owned()).collect(), fallthrough: false }
}

fn default_rules() -> [Rule; 3] {
    [
        rule(ModuleKind::Text, &["**/*.txt", "**/*.html", "**/*.sql"]),
        rule(ModuleKind::Data, &["**/*.bin"]),
        rule(ModuleKind::CompiledWasm, &["**/*.wasm", "**/*.wasm?module"]),
    ]
}

#[test]
fn without_rules_wranglers_own_apply() {
    assert_eq!(rules(""), default_rules());
}

#[test]
fn a_rule_replaces_the_later_ones_of_its_type_and_says_so() {
    let config =
        "rules = [{ type = \"Text\", globs = [\"**/*.md\"] }, { type = \"Text\", globs = [\"*.x\"] }]";
    let [_, data, wasm] = default_rules();
    assert_eq!(rules(config), [rule(ModuleKind::Text, &["**/*.md"]), data, wasm]);
    assert_snapshot!(toml(config).report(), @r#"
    warning: `rules[1]` is ignored
     --> /app/wrangler.toml:4:50
      |
    4 | rules = [{ type = "Text", globs = ["**/*.md"] }, { type = "Text", globs = ["*.x"] }]
      |                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `rules[0]` has the same type and ends the search
      |
      = help: add `fallthrough` = true to let the later rules of its type apply, or false to silence this

    warning: `rules[0]` replaces a default rule
     --> /app/wrangler.toml:4:10
      |
    4 | rules = [{ type = "Text", globs = ["**/*.md"] }, { type = "Text", globs = ["*.x"] }]
      |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the default rule for this type no longer applies
      |
      = help: add `fallthrough` = true to let the later rules of its type apply, or false to silence this
    "#);
}

#[test]
fn a_rule_that_falls_through_lets_the_later_ones_apply() {
    let config = "rules = [{ type = \"Text\", globs = [\"**/*.md\"], fallthrough = true }]";
    let own = Rule { fallthrough: true, ..rule(ModuleKind::Text, &["**/*.md"]) };
    assert_eq!(rules(config)[0], own);
    assert_eq!(rules(config)[1..], default_rules());
    assert_eq!(toml(config).report(), "");
}

#[test]
fn a_rule_that_says_it_does_not_fall_through_is_meant() {
    let config = "rules = [{ type = \"Data\", globs = [\"**/*.dat\"], fallthrough = false }]";
    assert_eq!(rules(config).len(), 3);
    assert_eq!(toml(config).report(), "");
}

#[test]
fn a_rule_needs_a_type_and_globs() {
    assert_snapshot!(toml("rules = [{ type = \"Markdown\" }]").report(), @r#"
    error: `rules[0].type` cannot be "Markdown"
     --> /app/wrangler.toml:4:19
      |
    4 | rules = [{ type = "Markdown" }]
      |                   ^^^^^^^^^^ expected "ESModule", "CommonJS", "CompiledWasm", "Text" or "Data"

    error: `rules[0]` has no `globs`
     --> /app/wrangler.toml:4:10
      |
    4 | rules = [{ type = "Markdown" }]
      |          ^^^^^^^^^^^^^^^^^^^^^ `globs` is required: an array of strings
    "#);
}

#[test]
fn defaults_of_the_build_are_wranglers() {
    let worker = toml("build.command = \"make\"").worker();
    let build = worker.build.unwrap();
    assert!(build.keep_names);
    assert!(!build.minify && !build.no_bundle && !build.find_additional_modules);
    assert_eq!(build.main, worker.root.join("src/index.js"));
    assert_eq!(build.base_dir, worker.root.join("src"));
    let command = build.command.unwrap();
    assert_eq!(command.cwd, worker.root);
    assert_eq!(command.watch, [worker.root.join("src")]);
}

#[test]
fn an_entry_may_leave_out_its_extension() {
    let config = "main = \"src/index\"\ncompatibility_date = \"2026-11-01\"\n";
    assert_eq!(Fixture::new(&[("wrangler.toml", config)]).report(), "");
}

#[test]
fn assets_alone_are_a_worker_without_a_build() {
    let config = "compatibility_date = \"2026-11-01\"\nassets = { directory = \"src\" }\n";
    let worker = Fixture::new(&[("wrangler.toml", config)]).worker();
    assert!(worker.build.is_none());
    assert_eq!(worker.assets.unwrap().config, "{}");
}

#[test]
fn a_config_is_found_upwards_and_json_before_toml() {
    let mut fixture = toml("");
    fixture.write("deep/er/x", "");
    fixture.options.start = fixture.path("deep/er");
    assert_eq!(fixture.worker().config, fixture.path("wrangler.toml"));
    fixture.write("wrangler.jsonc", r#"{ "main": "src/index.js", "compatibility_date": "2026-11-01" }"#);
    assert_eq!(fixture.worker().config, fixture.path("wrangler.jsonc"));
    fixture.write("wrangler.json", r#"{ "main": "src/index.js", "compatibility_date": "2026-11-01" }"#);
    assert_eq!(fixture.worker().config, fixture.path("wrangler.json"));
    // A name wins over a nearer directory, as in wrangler.
    fixture.write("deep/wrangler.toml", "main = \"x.js\"");
    assert_eq!(fixture.worker().config, fixture.path("wrangler.json"));
}
