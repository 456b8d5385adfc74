//! What the top level and `[env.NAME]` come to together.
//!
//! The rules are wrangler's: some keys are inherited, the others belong to exactly one environment, and a
//! key of the second kind that is set at the top level but not in the environment is worth a warning.

use crate::diagnostic::{Diagnostic, Reporter};
use crate::extract::{Section, Spot};
use crate::keys::{self, Inherit, KEYS, Shape, Support};
use crate::names;
use crate::node::{Node, Value};

/// The fields that count, whatever place they come from.
#[derive(Debug)]
pub(crate) struct Effective<'a> {
    pub(crate) section: Section<'a>,
    /// Whether the name comes from the top level and needs the environment's name behind it.
    pub(crate) suffix: Option<String>,
}

/// Merges the config `root` with its environment `env`. `None` if that cannot be done; the reason is reported.
pub(crate) fn resolve<'a>(
    reporter: &'a Reporter,
    root: &'a Node,
    env: Option<&str>,
) -> Option<Effective<'a>> {
    if !matches!(root.value, Value::Object(_)) {
        let found = root.kind(reporter);
        let problem = Diagnostic::error("the config is not an object");
        reporter.at(&root.span, format!("expected an object, found {found}"), problem);
        return None;
    }
    let top = Section::new(reporter, "", root);
    check_keys(&top, true);
    let Some(env) = env else {
        return Some(Effective { section: top, suffix: None });
    };
    let Some(environments) = top.get("env") else {
        reporter.whole(
            Diagnostic::warning(format!("the config has no environment {env:?}"))
                .help("the top level is used, with the environment's name behind the Worker's"),
        );
        return Some(Effective { section: top, suffix: Some(env.to_owned()) });
    };
    let environments_section = environments.section()?;
    let Some(chosen) = environments_section.get(env) else {
        unknown(environments, &environments_section, env);
        return None;
    };
    let own = chosen.section()?;
    check_keys(&own, false);
    let section = merge(&top, &own);
    let suffix = own.get("name").is_none().then(|| env.to_owned());
    Some(Effective { section, suffix })
}

fn unknown(environments: &Spot<'_>, section: &Section<'_>, env: &str) {
    let names: Vec<&str> = section.fields.iter().map(|(name, _)| *name).collect();
    let label = match names.as_slice() {
        [] => "no environment is defined here".to_owned(),
        names => format!("the environments are: {}", names.join(", ")),
    };
    let problem = Diagnostic::error(format!("the config has no environment {env:?}"));
    let problem = match keys::nearest(env, names.into_iter()) {
        Some(near) => problem.help(format!("did you mean {near:?}?")),
        None => problem,
    };
    environments.reporter.at(&environments.key_span, label, problem);
}

fn check_keys(section: &Section<'_>, top: bool) {
    let reporter = section.reporter;
    for (name, spot) in &section.fields {
        let allowed = |key: &&keys::Key| top || key.inherit != Inherit::TopOnly;
        if *name == "node_compat" {
            let problem = Diagnostic::error("`node_compat` is gone since wrangler 4")
                .help("use the compatibility flag `nodejs_compat` instead");
            reporter.at(&spot.key_span, "remove this key", problem);
            continue;
        }
        match keys::find(name) {
            Some(key) if allowed(&key) => {}
            Some(_) => {
                let problem = Diagnostic::warning(format!("unexpected key `{}`", spot.path));
                reporter.at(&spot.key_span, format!("`{name}` works at the top level only"), problem);
            }
            None => {
                let problem = Diagnostic::warning(format!("unexpected key `{}`", spot.path));
                let names = KEYS.iter().filter(allowed).map(|key| key.name);
                let problem = match keys::nearest(name, names) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem,
                };
                reporter.at(
                    &spot.key_span,
                    "neither wrangler nor Selvedge knows this key; it is ignored",
                    problem,
                );
            }
        }
    }
}

fn merge<'a>(top: &Section<'a>, own: &Section<'a>) -> Section<'a> {
    let mut merged = Section { fields: Vec::new(), ..own.clone() };
    for key in KEYS {
        let at_top = top.get(key.name);
        let in_env = own.get(key.name).filter(|_| key.inherit != Inherit::TopOnly);
        let chosen = match key.inherit {
            Inherit::Yes => in_env.or(at_top),
            Inherit::TopOnly => at_top,
            Inherit::No => in_env,
        };
        if key.inherit == Inherit::No
            && let Some(at_top) = at_top
        {
            match in_env {
                None if key.support == Support::Harmless => {}
                None => not_inherited(at_top, key.name, &own.path),
                Some(in_env) => compare(at_top, in_env, key, &own.path),
            }
        }
        if let Some(spot) = chosen {
            merged.fields.push((key.name, spot.clone()));
        }
    }
    merged
}

fn not_inherited(at_top: &Spot<'_>, name: &str, env: &str) {
    let problem = Diagnostic::warning(format!("`{name}` is set at the top level, but not in `{env}`"))
        .help(format!("add `{name}` to `{env}` if the environment needs it"));
    at_top.reporter.at(&at_top.key_span, format!("environments do not inherit `{name}`"), problem);
}

/// Warns of each name that only one of the two has, for the kinds where wrangler does.
fn compare(at_top: &Spot<'_>, in_env: &Spot<'_>, key: &keys::Key, env: &str) {
    let (shape, both_ways) = match (key.name, key.binding) {
        ("define", _) => (Shape::Map, true),
        ("queues" | "secrets", _) | (_, None | Some((_, Shape::Single))) => return,
        (_, Some((_, shape))) => (shape, false),
    };
    let top_names = names::of(shape, at_top.node);
    let env_names = names::of(shape, in_env.node);
    let missing = |name: &str, names: &[(&str, _)]| names.iter().all(|(other, _)| *other != name);
    for (name, span) in &top_names {
        if missing(name, &env_names) {
            let problem = Diagnostic::warning(format!("`{name}` of `{}` is missing from `{env}`", key.name))
                .help(format!("add `{name}` to `{}` if the environment needs it", in_env.path));
            at_top.reporter.at(span, format!("environments do not inherit `{}`", key.name), problem);
        }
    }
    for (name, span) in env_names.iter().filter(|(name, _)| both_ways && missing(name, &top_names)) {
        let problem =
            Diagnostic::warning(format!("`{name}` of `{}` is missing from the top level", in_env.path))
                .help("wrangler expects an environment to override only what the top level has");
        at_top.reporter.at(span, format!("only `{env}` has it"), problem);
    }
}
