//! Durable Objects: the bindings, and how their classes came to be.

use std::collections::{BTreeMap, BTreeSet};

use crate::bindings::warn_of_environment;
use crate::diagnostic::{Diagnostic, Label};
use crate::extract::{Section, Spot};
use crate::model::{DurableObjectBinding, Migration, ObjectExport, ObjectLifecycle, ObjectState};
use crate::node::{Entry, Node};

/// The bindings and the lifecycle of the Worker named `worker`.
pub(crate) fn durable_objects(
    section: &Section<'_>,
    worker: &str,
) -> (Vec<DurableObjectBinding>, ObjectLifecycle) {
    let entries = section
        .section("durable_objects")
        .map(|objects| {
            objects.expect_keys(&["bindings"]);
            if objects.get("bindings").is_none() {
                let problem = Diagnostic::error(format!("`{}` has no `bindings`", objects.path));
                objects.reporter.at(&objects.span, "`bindings` is required: an array", problem);
            }
            objects.sections("bindings")
        })
        .unwrap_or_default();
    let bindings: Vec<DurableObjectBinding> =
        entries.iter().filter_map(|entry| binding(entry, worker)).collect();
    let (lifecycle, live) = lifecycle(section);
    for entry in &entries {
        check_class(section, entry, &bindings, &live);
    }
    (bindings, lifecycle)
}

fn binding(entry: &Section<'_>, worker: &str) -> Option<DurableObjectBinding> {
    entry.expect_keys(&["name", "class_name", "script_name", "environment"]);
    warn_of_environment(entry);
    let name = entry.required("name");
    let class = entry.required("class_name");
    let script = entry.get("script_name").and_then(Spot::name).filter(|script| script != worker);
    if let (Some(spot), None) = (entry.get("environment"), entry.get("script_name")) {
        let problem = Diagnostic::error(format!("`{}` has no `script_name`", entry.path));
        spot.reporter.at(&spot.key_span, "`environment` is that of another Worker", problem);
    }
    Some(DurableObjectBinding { name: name?, class: class?, script })
}

/// Warns if nothing declares the class of a binding.
fn check_class(
    section: &Section<'_>,
    entry: &Section<'_>,
    bindings: &[DurableObjectBinding],
    live: &BTreeSet<String>,
) {
    let Some(spot) = entry.get("class_name") else { return };
    let Some(class) = spot.node.string() else { return };
    let local = bindings.iter().any(|binding| binding.class == class && binding.script.is_none());
    if !local || live.contains(class) {
        return;
    }
    let (declared, remedy) = if section.get("exports").is_some() && section.get("migrations").is_none() {
        ("no entry of `exports` declares it", "add it to `exports`".to_owned())
    } else {
        ("no migration creates it", format!("add a migration with `new_sqlite_classes` = [{class:?}]"))
    };
    let problem = Diagnostic::warning(format!("the Durable Object class `{class}` is not declared"))
        .help(format!("{remedy}; until then it has the old key-value storage, without SQL"));
    spot.reporter.at(spot.span(), declared, problem);
}

/// The lifecycle, and the classes that exist at its end.
fn lifecycle(section: &Section<'_>) -> (ObjectLifecycle, BTreeSet<String>) {
    let migrations = section.get("migrations").filter(|spot| !spot.elements().is_empty());
    // The map may also hold exports that are no Durable Objects; they do not compete with migrations.
    let is_class = |entry: &Entry| entry.node.get("type").and_then(Node::string) != Some("worker");
    let exports = section
        .get("exports")
        .filter(|spot| spot.section().is_some() && spot.node.entries().iter().any(is_class));
    match (migrations, exports) {
        (Some(migrations), Some(exports)) => {
            section.reporter.at_two(
                Label { span: exports.key_span.clone(), text: "the newer way".to_owned() },
                Label { span: migrations.key_span.clone(), text: "the older way".to_owned() },
                Diagnostic::error("`migrations` and `exports` exclude each other")
                    .help("keep one of them: both say how the Durable Object classes came to be"),
            );
            exports_map(exports)
        }
        (Some(migrations), None) => migrations_list(migrations),
        (None, Some(exports)) => exports_map(exports),
        (None, None) => (ObjectLifecycle::default(), BTreeSet::new()),
    }
}

fn migrations_list(spot: &Spot<'_>) -> (ObjectLifecycle, BTreeSet<String>) {
    let mut live = BTreeSet::new();
    let migrations = spot.sections().iter().map(|entry| migration(entry, &mut live)).collect();
    (ObjectLifecycle::Migrations(migrations), live)
}

/// Reads a migration and applies it to `live`, in wrangler's order: deletions, renames, new classes.
fn migration(entry: &Section<'_>, live: &mut BTreeSet<String>) -> Migration {
    entry.expect_keys(&[
        "tag",
        "new_classes",
        "new_sqlite_classes",
        "renamed_classes",
        "deleted_classes",
        "transferred_classes",
    ]);
    let mut migration = Migration { tag: entry.required("tag").unwrap_or_default(), ..Migration::default() };
    for (spot, class) in classes(entry, "deleted_classes") {
        if !live.remove(&class) {
            not_there(&spot, &class, "deleted");
        }
        migration.deleted_classes.push(class);
    }
    for rename in entry.sections("renamed_classes") {
        rename.expect_keys(&["from", "to"]);
        let (Some(from), Some(to)) = (rename.required("from"), rename.required("to")) else { continue };
        if !live.remove(&from)
            && let Some(spot) = rename.get("from")
        {
            not_there(spot, &from, "renamed");
        }
        live.insert(to.clone());
        migration.renamed_classes.push((from, to));
    }
    for (key, list) in [
        ("new_classes", &mut migration.new_classes),
        ("new_sqlite_classes", &mut migration.new_sqlite_classes),
    ] {
        for (spot, class) in classes(entry, key) {
            if !live.insert(class.clone()) {
                let problem = Diagnostic::error(format!("the class `{class}` is created twice"));
                spot.error("it exists already", problem);
            }
            list.push(class);
        }
    }
    if let Some(spot) = entry.get("transferred_classes").filter(|spot| !spot.elements().is_empty()) {
        let problem = Diagnostic::warning(format!("`{}` is not supported", spot.path));
        spot.reporter.at(&spot.key_span, "nothing is taken over from another Worker", problem);
    }
    migration
}

fn classes<'a>(entry: &Section<'a>, key: &str) -> Vec<(Spot<'a>, String)> {
    let elements = entry.get(key).map(Spot::elements).unwrap_or_default();
    elements.into_iter().filter_map(|spot| spot.name().map(|name| (spot, name))).collect()
}

fn not_there(spot: &Spot<'_>, class: &str, what: &str) {
    let problem = Diagnostic::error(format!("the class `{class}` is {what} before it exists"));
    spot.error("no earlier migration creates it", problem);
}

fn exports_map(spot: &Spot<'_>) -> (ObjectLifecycle, BTreeSet<String>) {
    let mut exports = BTreeMap::new();
    let mut live = BTreeSet::new();
    for (class, spot) in spot.section().map(|section| section.fields).unwrap_or_default() {
        let Some(entry) = spot.section() else { continue };
        if let Some(export) = export(&entry, class) {
            if export.state == ObjectState::Created {
                live.insert(class.to_owned());
            }
            exports.insert(class.to_owned(), export);
        }
    }
    let targets = names_of_targets(spot);
    for (target, span) in targets.iter().filter(|(target, _)| !live.contains(*target)) {
        let problem = Diagnostic::error(format!("`{}` has no live class `{target}`", spot.path));
        spot.reporter.at(
            span,
            "renamed to a class that is not there",
            problem.help(format!("add an entry for `{target}` with its storage")),
        );
    }
    (ObjectLifecycle::Exports(exports), live)
}

fn names_of_targets<'a>(exports: &Spot<'a>) -> Vec<(&'a str, std::ops::Range<usize>)> {
    let renamed = exports.node.entries().iter().filter_map(|entry| {
        let target = entry.node.get("renamed_to")?;
        Some((target.string()?, target.span.clone()))
    });
    renamed.collect()
}

/// `None` for an export that is no Durable Object class of this Worker, and after a mistake.
fn export(entry: &Section<'_>, class: &str) -> Option<ObjectExport> {
    let kind = match entry.get("type") {
        Some(spot) => spot.one_of(&["durable-object", "worker"]),
        None => entry.required("type").and(None),
    };
    if kind? == "worker" {
        return None;
    }
    let state = match entry.get("state") {
        Some(spot) => spot.one_of(&["created", "deleted", "renamed", "transferred", "expecting-transfer"])?,
        None => "created",
    };
    let known: &[&str] = match state {
        "created" => &["type", "state", "storage", "container"],
        "renamed" => &["type", "state", "renamed_to"],
        "transferred" => &["type", "state", "transferred_to"],
        "expecting-transfer" => &["type", "state", "storage", "transfer_from"],
        _ => &["type", "state"],
    };
    entry.expect_keys(known);
    // A class that is gone has no storage to speak of; the value is not looked at.
    let mut sqlite = true;
    let state = match state {
        "deleted" => ObjectState::Deleted,
        "renamed" => ObjectState::RenamedTo(entry.required("renamed_to")?),
        "transferred" => {
            transfer(entry, class, "it stays where it is");
            return None;
        }
        created_or_expected => {
            sqlite = match entry.get("storage") {
                Some(spot) => spot.one_of(&["sqlite", "legacy-kv"])? == "sqlite",
                None => entry.required("storage").and(None)?,
            };
            if created_or_expected == "expecting-transfer" {
                transfer(entry, class, "the class starts empty");
            }
            ObjectState::Created
        }
    };
    Some(ObjectExport { sqlite, state })
}

fn transfer(entry: &Section<'_>, class: &str, consequence: &str) {
    let problem = Diagnostic::warning(format!("the class `{class}` is not transferred"));
    if let Some(spot) = entry.get("state") {
        entry.reporter.at(spot.span(), format!("transfers are not supported: {consequence}"), problem);
    }
}
