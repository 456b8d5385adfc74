//! What the Workers of an app say about each other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::diagnostic::{Diagnostic, display_path};
use crate::extract::Section;
use crate::keys::Shape;
use crate::model::Worker;
use crate::names;

/// The keys that name another Worker, and where in their values it stands.
const REFERENCES: &[(&str, Shape)] = &[
    ("services", Shape::List("service")),
    ("durable_objects", Shape::Nested("bindings", "script_name")),
    ("workflows", Shape::List("script_name")),
];

/// Checks names that must be unique in the app, and references from one Worker to another.
pub(crate) fn check(readings: &[(&Section<'_>, &Worker)]) {
    let mut workers: BTreeMap<&str, &Path> = BTreeMap::new();
    for (section, worker) in readings {
        if let Some(first) = workers.insert(&worker.name, &worker.config) {
            same_name(section, worker, first);
        }
    }
    let mut consumers: BTreeMap<&str, &str> = BTreeMap::new();
    for (section, worker) in readings {
        for (key, shape) in REFERENCES {
            for (target, span) in references(section, key, *shape) {
                if !workers.contains_key(target) {
                    unknown_worker(section, target, &span);
                }
            }
        }
        for (queue, span) in references(section, "queues", Shape::Nested("consumers", "queue")) {
            if let Some(first) = consumers.insert(queue, &worker.name) {
                let problem = Diagnostic::error(format!("the queue {queue:?} has two consumers"))
                    .help("a queue delivers each message to one Worker; remove one of the two");
                section.reporter.at(&span, format!("the Worker {first:?} consumes it already"), problem);
            }
        }
    }
}

fn references<'a>(section: &Section<'a>, key: &str, shape: Shape) -> Vec<(&'a str, Range<usize>)> {
    section.get(key).map(|spot| names::of(shape, spot.node)).unwrap_or_default()
}

fn unknown_worker(section: &Section<'_>, target: &str, span: &Range<usize>) {
    let problem = Diagnostic::warning(format!("the Worker {target:?} is not part of this app"))
        .help("give its config too, with another --config; until then, calls through this binding fail");
    section.reporter.at(span, "no config names this Worker", problem);
}

fn same_name(section: &Section<'_>, worker: &Worker, first: &Path) {
    let problem = Diagnostic::error(format!("two Workers have the name {:?}", worker.name));
    let label = format!("{} has the same name", display_path(first));
    match section.get("name") {
        Some(spot) => spot.error(label, problem),
        None => section.reporter.whole(problem.help(format!("set `name`: {label}"))),
    }
}
