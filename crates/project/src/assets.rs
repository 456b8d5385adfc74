//! Static assets.

use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::Assets;
use crate::node::Value;
use crate::paths::resolve;

const HTML_HANDLING: &[&str] =
    &["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"];
const NOT_FOUND_HANDLING: &[&str] = &["single-page-application", "404-page", "none"];

/// The most rules of `run_worker_first`, and the most characters of one.
const MAX_RULES: usize = 100;

pub(crate) fn assets(section: &Section<'_>, root: &Path) -> Option<Assets> {
    let assets = section.section("assets")?;
    assets.expect_keys(&["directory", "binding", "html_handling", "not_found_handling", "run_worker_first"]);
    let has_script = section.get("main").is_some();
    // A custom build may be what makes the directory.
    let is_built = section.get("build").is_some_and(|build| build.node.get("command").is_some());
    let directory = assets.required("directory").map(|directory| resolve(root, directory));
    if let (Some(directory), Some(spot)) = (&directory, assets.get("directory"))
        && !directory.is_dir()
        && !is_built
    {
        let what = if directory.exists() { "is not a directory" } else { "does not exist" };
        let problem = Diagnostic::error(format!("the assets directory {what}"));
        spot.error(format!("looked for {}", directory.display()), problem);
    }
    let binding = assets.get("binding").and_then(Spot::name);
    if let Some(spot) = assets.get("binding")
        && !has_script
    {
        let problem = Diagnostic::error("an assets binding needs a Worker script")
            .help("remove `binding`, or set `main`");
        spot.error("nothing could use this binding", problem);
    }
    if let Some(spot) = assets.get("run_worker_first") {
        run_worker_first(spot, has_script, binding.is_some());
    }
    if let Some(spot) = assets.get("html_handling") {
        spot.one_of(HTML_HANDLING);
    }
    if let Some(spot) = assets.get("not_found_handling") {
        spot.one_of(NOT_FOUND_HANDLING);
    }
    if let Some(site) = section.get("site") {
        let problem = Diagnostic::error("`assets` and `site` exclude each other");
        site.reporter.at(&site.key_span, "remove one of them", problem);
    }
    Some(Assets { directory: directory?, binding, config: config(&assets) })
}

fn config(assets: &Section<'_>) -> String {
    let set = ["html_handling", "not_found_handling", "run_worker_first"].into_iter().filter_map(|key| {
        let spot = assets.get(key)?;
        Some(format!("{key:?}:{}", spot.node.to_json()))
    });
    format!("{{{}}}", set.collect::<Vec<_>>().join(","))
}

fn run_worker_first(spot: &Spot<'_>, has_script: bool, has_binding: bool) {
    match &spot.node.value {
        Value::Bool(true) if has_script && !has_binding => {
            let problem = Diagnostic::warning("the Worker runs first, but cannot reach the assets")
                .help("add `binding` to `assets`");
            spot.reporter.at(spot.span(), "every request goes to the Worker", problem);
        }
        Value::Bool(true) | Value::Array(_) if !has_script => {
            let problem = Diagnostic::error("`run_worker_first` needs a Worker script")
                .help("remove `run_worker_first`, or set `main`");
            spot.error("there is no Worker to run", problem);
        }
        Value::Bool(_) => {}
        Value::Array(_) => rules(spot),
        _ => {
            let problem = Diagnostic::error(format!("`{}` has the wrong type", spot.path));
            let found = spot.node.kind(spot.reporter);
            spot.error(format!("expected a boolean or an array of strings, found {found}"), problem);
        }
    }
}

fn rules(spot: &Spot<'_>) {
    let elements = spot.elements();
    let mut rules: Vec<String> = Vec::new();
    for element in &elements {
        let Some(rule) = element.string() else { continue };
        let path = rule.strip_prefix('!').unwrap_or(&rule);
        let wrong = if !path.starts_with('/') {
            Some("expected a path that starts with / or !/")
        } else if rule.chars().count() > MAX_RULES {
            Some("expected at most 100 characters")
        } else if rules.contains(&rule) {
            Some("the same rule is there already")
        } else {
            None
        };
        if let Some(label) = wrong {
            element.error(label, Diagnostic::error(format!("`{}` is not a valid rule", element.path)));
        }
        rules.push(rule);
    }
    if rules.len() > MAX_RULES {
        let problem = Diagnostic::error(format!("`{}` has too many rules", spot.path));
        spot.error(format!("expected at most {MAX_RULES}, found {}", rules.len()), problem);
    }
    if rules.iter().all(|rule| rule.starts_with('!')) {
        let problem = Diagnostic::error(format!("`{}` selects nothing", spot.path));
        spot.error("expected at least one rule that starts with /", problem);
    }
}
