//! What people get wrong, and what they are told.

use std::fs;

use selvedge_project::{BuildCommand, ModuleKind};

use super::fixture::{Fixture, messages, rule, watched};
use crate::BundleError;

#[tokio::test]
async fn a_syntax_error_has_its_place_and_can_be_watched() {
    let fixture = Fixture::new(&[
        ("src/index.ts", "import './broken';\nexport default {};\n"),
        ("src/broken.ts", "export function f() {\n  const x = ;\n}\n"),
    ]);
    let error = fixture.bundle().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Unexpected \";\"\n\n    src/broken.ts:2:12:\n      2 │   const x = ;\n        ╵             ^"
    );
    let watch = error.watch();
    assert!(watched(&watch, &fixture.path("src/broken.ts")) && watched(&watch, &fixture.path("src")));
}

#[tokio::test]
async fn at_most_ten_errors_are_shown_and_the_rest_counted() {
    let source = (0..13).map(|at| format!("import './nowhere{at}';")).collect::<Vec<_>>().join("\n");
    let fixture = Fixture::new(&[("index.js", &source)]);
    let text = messages(&fixture).await;
    assert_eq!(text.matches("Could not resolve").count(), 10);
    assert!(text.ends_with("10 of 13 errors shown"), "{text}");
}

#[tokio::test]
async fn a_package_that_is_not_installed_is_named() {
    let fixture = Fixture::new(&[("index.js", "import { Hono } from 'hono';\nexport default new Hono();\n")]);
    let text = messages(&fixture).await;
    assert!(text.contains("index.js:1:21:") && text.contains("\"hono\" belongs to installed?"), "{text}");
}

#[tokio::test]
async fn warnings_do_not_stop_a_build() {
    let fixture = Fixture::new(&[("index.js", "export default { fetch: (r) => new Response(r === NaN) };")]);
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(bundle.warnings.len(), 1);
    assert!(bundle.warnings[0].contains("index.js:1:"), "{}", bundle.warnings[0]);
}

#[tokio::test]
async fn a_service_worker_is_told_to_become_a_module() {
    let fixture = Fixture::new(&[(
        "src/index.js",
        "addEventListener('fetch', (e) => e.respondWith(new Response('old')));",
    )]);
    let text = messages(&fixture).await;
    assert!(text.starts_with("src/index.js exports nothing") && text.contains("export default"), "{text}");
    // CommonJS is a module too.
    fixture.write("src/index.js", "module.exports = { fetch: () => new Response('cjs') };");
    assert_eq!(fixture.answer("/").await, "cjs");
}

#[tokio::test]
async fn entries_that_cannot_be_are_refused() {
    let mut fixture = Fixture::new(&[("src/entry.py", "")]);
    assert!(matches!(fixture.bundle().await, Err(BundleError::Python { .. })));
    fixture.build().main = fixture.path("src/gone.ts");
    let error = fixture.bundle().await.unwrap_err();
    assert!(matches!(error, BundleError::NoEntry { .. }));
    assert_eq!(error.watch(), [fixture.path("src")]);
    fixture.write("src/gone.ts", "");
    fixture.write("lib/x.ts", "");
    fixture.build().no_bundle = true;
    fixture.build().base_dir = fixture.path("lib");
    assert!(matches!(fixture.bundle().await, Err(BundleError::OutsideBase { .. })));
    fixture.worker.build = None;
    assert!(matches!(fixture.bundle().await, Err(BundleError::NoScript)));
}

#[tokio::test]
async fn a_rule_that_ended_its_kind_is_given_as_the_cause() {
    let mut fixture = Fixture::new(&[
        ("index.js", "import t from './t.sql'; export default { fetch: () => new Response(t) };"),
        ("t.sql", "SELECT 1"),
    ]);
    let mut first = rule(ModuleKind::Text, &["**/*.md"]);
    first.fallthrough = false;
    fixture.build().rules.insert(0, first);
    let text = messages(&fixture).await;
    assert!(text.contains("\"**/*.sql\" is ignored") && text.contains("fallthrough"), "{text}");
}

#[tokio::test]
async fn a_build_command_runs_first_and_what_it_writes_is_not_watched() {
    let mut fixture = Fixture::new(&[("dist/index.js", ""), ("src/in.js", "")]);
    fs::remove_file(fixture.path("dist/index.js")).unwrap();
    fixture.write(
        "src/in.js",
        "import { x } from '../lib/x.js'; export default { fetch: () => new Response(x) };",
    );
    fixture.write("lib/x.js", "export const x = 'built';");
    let command = BuildCommand {
        command: "mkdir -p dist && cp src/in.js dist/index.js".to_owned(),
        cwd: fixture.worker.root.clone(),
        watch: vec![fixture.path("src")],
    };
    fixture.build().command = Some(command);
    fixture.build().base_dir = fixture.path("");
    assert_eq!(fixture.answer("/").await, "built");
    let bundle = fixture.bundle().await.unwrap();
    assert_eq!(bundle.inputs, [fixture.path("lib/x.js")]);
    assert_eq!(bundle.watch, [fixture.path("src")]);
}

#[tokio::test]
async fn a_build_command_that_fails_is_shown_with_its_output() {
    let mut fixture = Fixture::new(&[("index.js", "export default {};")]);
    let command = BuildCommand {
        command: "echo to stdout; echo to stderr >&2; exit 3".to_owned(),
        cwd: fixture.worker.root.clone(),
        watch: vec![fixture.path("src")],
    };
    fixture.build().command = Some(command);
    let error = fixture.bundle().await.unwrap_err();
    let text = error.to_string();
    for part in ["exit status: 3", "to stdout", "to stderr", "exit 3"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert_eq!(error.watch(), [fixture.path("src")]);
}
