//! The names that end up in the Worker's `env`: where each is given, and that none is given twice.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::{Diagnostic, Label, Reporter};
use crate::extract::Section;
use crate::keys::{KEYS, Shape, Support};
use crate::node::{Node, Value};

/// The binding names in a value of the given shape, with the place of each. What does not fit is left out:
/// whoever reads the value in earnest reports that.
pub(crate) fn of(shape: Shape, node: &Node) -> Vec<(&str, Range<usize>)> {
    match shape {
        Shape::List(field) => fields(node, field),
        Shape::Nested(list, field) => node.get(list).map(|list| fields(list, field)).unwrap_or_default(),
        Shape::Single => field(node, "binding").into_iter().collect(),
        Shape::Map => {
            node.entries().iter().map(|entry| (entry.key.as_str(), entry.key_span.clone())).collect()
        }
        Shape::Required => node
            .get("required")
            .map(|required| required.items().iter().filter_map(whole).collect())
            .unwrap_or_default(),
    }
}

fn fields<'a>(list: &'a Node, name: &str) -> Vec<(&'a str, Range<usize>)> {
    list.items().iter().filter_map(|item| field(item, name)).collect()
}

fn field<'a>(node: &'a Node, name: &str) -> Option<(&'a str, Range<usize>)> {
    whole(node.get(name)?)
}

fn whole(node: &Node) -> Option<(&str, Range<usize>)> {
    Some((node.string()?, node.span.clone()))
}

/// Reports every name that is given more than once, across all kinds, as wrangler does.
pub(crate) fn check_unique(section: &Section<'_>) {
    let mut seen: BTreeMap<&str, (&str, Range<usize>)> = BTreeMap::new();
    for key in KEYS {
        let Some((kind, shape)) = key.binding else { continue };
        let Some(spot) = section.get(key.name) else { continue };
        for (name, span) in of(shape, spot.node) {
            if let Some((first_kind, first)) = seen.get(name) {
                duplicate(section.reporter, name, (kind, span), (first_kind, first));
            } else {
                seen.insert(name, (kind, span));
            }
        }
    }
}

fn duplicate(
    reporter: &Reporter,
    name: &str,
    (kind, span): (&str, Range<usize>),
    (first_kind, first): (&str, &Range<usize>),
) {
    reporter.at_two(
        Label { span, text: format!("used again for a binding of kind {kind}") },
        Label { span: first.clone(), text: format!("first used for a binding of kind {first_kind}") },
        Diagnostic::error(format!("two bindings have the name `{name}`"))
            .help("each binding needs a name of its own, since all of them are fields of `env`"),
    );
}

/// Warns of what the Worker will miss: keys that wrangler knows and Selvedge does not act on.
pub(crate) fn check_support(section: &Section<'_>) {
    for key in KEYS {
        let Some(spot) = section.get(key.name) else { continue };
        match (key.support, key.binding) {
            (Support::Unsupported(consequence), _) if !is_empty(spot.node) => {
                let problem = Diagnostic::warning(format!("`{}` is not supported", spot.path));
                section.reporter.at(&spot.key_span, consequence, problem);
            }
            (Support::NoBinding, Some((kind, shape))) => {
                for (name, span) in of(shape, spot.node) {
                    let problem = Diagnostic::warning(format!("bindings of kind {kind} are not supported"));
                    section.reporter.at(&span, format!("`env.{name}` will be missing"), problem);
                }
            }
            _ => {}
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}
