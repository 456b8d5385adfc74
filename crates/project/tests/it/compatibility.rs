//! Compatibility dates and flags.

use insta::assert_snapshot;

use crate::support::{Fixture, toml};

#[test]
fn a_compatibility_date_must_suit_the_runtime_and_the_calendar() {
    let with = |date: &str| {
        Fixture::new(&[(
            "wrangler.json",
            &format!(r#"{{ "main": "src/index.js", "compatibility_date": "{date}" }}"#),
        )])
    };
    assert_snapshot!(with("2027-03-01").report(), @r#"
    error: the compatibility date 2027-03-01 is newer than the runtime
     --> /app/wrangler.json:1:49
      |
    1 | { "main": "src/index.js", "compatibility_date": "2027-03-01" }
      |                                                 ^^^^^^^^^^^^ workerd 1.20261117.1 knows dates up to 2026-11-24
      |
      = help: use 2026-11-22 or an earlier date
    "#);
    assert_snapshot!(with("2026-11-23").report(), @r#"
    error: the compatibility date 2026-11-23 is in the future
     --> /app/wrangler.json:1:49
      |
    1 | { "main": "src/index.js", "compatibility_date": "2026-11-23" }
      |                                                 ^^^^^^^^^^^^ today is 2026-11-22 (UTC), and workerd takes no later date
      |
      = help: use 2026-11-22 or an earlier date
    "#);
    assert_snapshot!(with("2026–11–01").report(), @r#"
    error: `compatibility_date` is not a date
     --> /app/wrangler.json:1:49
      |
    1 | { "main": "src/index.js", "compatibility_date": "2026–11–01" }
      |                                                 ^^^^^^^^^^^^ expected a date such as "2026-11-01"
      |
      = help: use plain hyphens (-), not dashes (– or —)
    "#);
    assert_eq!(with("2026-11-22").report(), "");
}

#[test]
fn without_a_compatibility_date_todays_is_used_and_said() {
    let fixture = Fixture::new(&[("wrangler.toml", "main = \"src/index.js\"")]);
    assert_snapshot!(fixture.report(), @r#"
    warning: the config has no `compatibility_date`; 2026-11-22 is used
    --> /app/wrangler.toml
     = help: add compatibility_date = "2026-11-22", so that a later runtime does not change how the Worker behaves
    "#);
    assert_eq!(fixture.worker().compatibility_date, "2026-11-22");
    let mut later = Fixture::new(&[("wrangler.toml", "main = \"src/index.js\"")]);
    later.options.today = "2027-01-01".to_owned();
    assert_eq!(later.worker().compatibility_date, selvedge_project::MAX_COMPATIBILITY_DATE);
}

#[test]
fn experimental_flags_are_refused_unless_allowed() {
    let mut fixture = toml("compatibility_flags = [\"nodejs_compat\", \"precise_timers\"]");
    assert_snapshot!(fixture.report(), @r#"
    error: the compatibility flag `precise_timers` is experimental
     --> /app/wrangler.toml:4:41
      |
    4 | compatibility_flags = ["nodejs_compat", "precise_timers"]
      |                                         ^^^^^^^^^^^^^^^^ workerd may change or drop it, and Cloudflare does not deploy it
      |
      = help: remove it, or allow experimental flags with --experimental
    "#);
    fixture.options.allow_experimental = true;
    assert_eq!(fixture.worker().compatibility_flags, ["nodejs_compat", "precise_timers"]);
}

#[test]
fn flags_that_change_a_bindings_protocol_are_always_refused() {
    let mut fixture = toml("compatibility_flags = [\"d1_binding_jsrpc\"]");
    fixture.options.allow_experimental = true;
    assert_snapshot!(fixture.report(), @r#"
    error: the compatibility flag `d1_binding_jsrpc` cannot be used
     --> /app/wrangler.toml:4:24
      |
    4 | compatibility_flags = ["d1_binding_jsrpc"]
      |                        ^^^^^^^^^^^^^^^^^^ it changes how workerd talks to D1, and Selvedge speaks the stable protocol
      |
      = help: remove it; the binding's API stays the same
    "#);
}
