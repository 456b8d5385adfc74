//! Typed values out of the tree, with a precise error for each that does not fit.

use std::ops::{Range, RangeInclusive};

use crate::diagnostic::{Diagnostic, Reporter};
use crate::keys;
use crate::node::{Node, Value};

/// A value with the way that leads to it, such as `env.staging.kv_namespaces[0].id`.
#[derive(Clone, Debug)]
pub(crate) struct Spot<'a> {
    pub(crate) reporter: &'a Reporter,
    pub(crate) path: String,
    /// The place of its key; for an element of an array, its own.
    pub(crate) key_span: Range<usize>,
    pub(crate) node: &'a Node,
}

impl<'a> Spot<'a> {
    pub(crate) fn span(&self) -> &'a Range<usize> {
        &self.node.span
    }

    /// Reports an error at the value.
    pub(crate) fn error(&self, label: impl Into<String>, diagnostic: Diagnostic) {
        self.reporter.at(self.span(), label, diagnostic);
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let found = self.node.kind(self.reporter);
        let mut problem = Diagnostic::error(format!("`{}` has the wrong type", self.path));
        if let (Value::Date(date), "a string") = (&self.node.value, expected) {
            problem = problem.help(format!("put it in quotes: {date:?}"));
        }
        self.error(format!("expected {expected}, found {found}"), problem);
        None
    }

    pub(crate) fn string(&self) -> Option<String> {
        match &self.node.value {
            Value::String(text) => Some(text.clone()),
            _ => self.wrong_type("a string"),
        }
    }

    /// A string with something in it.
    pub(crate) fn name(&self) -> Option<String> {
        let text = self.string()?;
        if text.is_empty() {
            self.error("expected a name", Diagnostic::error(format!("`{}` is empty", self.path)));
            return None;
        }
        Some(text)
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.node.value {
            Value::Bool(value) => Some(value),
            _ => self.wrong_type("a boolean"),
        }
    }

    /// A whole number in `range`.
    pub(crate) fn count(&self, range: &RangeInclusive<u32>) -> Option<u32> {
        let Value::Number(text) = &self.node.value else {
            return self.wrong_type("a number");
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match *range.end() {
                u32::MAX => format!("expected a whole number from {}", range.start()),
                end => format!("expected a whole number from {} to {end}", range.start()),
            };
            self.error(expected, Diagnostic::error(format!("`{}` cannot be {text}", self.path)));
        }
        number
    }

    /// A number of bytes in `range`: `65536`, or with a unit, `"64 KiB"`.
    pub(crate) fn bytes(&self, range: &RangeInclusive<u64>) -> Option<u64> {
        let (Value::Number(written) | Value::String(written)) = &self.node.value else {
            return self.wrong_type("a number of bytes");
        };
        let bytes = parse_bytes(written).filter(|bytes| range.contains(bytes));
        if bytes.is_none() {
            let (least, most) = (show_bytes(*range.start()), show_bytes(*range.end()));
            let problem = Diagnostic::error(format!("`{}` cannot be {}", self.path, self.node.to_json()))
                .help("write bytes as a number, or a text with KiB, MiB or GiB: \"64 MiB\"");
            self.error(format!("expected {least} to {most}"), problem);
        }
        bytes
    }

    /// One of `choices`.
    pub(crate) fn one_of<'c>(&self, choices: &[&'c str]) -> Option<&'c str> {
        let text = self.string()?;
        let choice = choices.iter().find(|choice| **choice == text);
        if choice.is_none() {
            let mut problem = Diagnostic::error(format!("`{}` cannot be {text:?}", self.path));
            if let Some(near) = keys::nearest(&text, choices.iter().copied()) {
                problem = problem.help(format!("did you mean {near:?}?"));
            }
            self.error(format!("expected {}", one_of_list(choices)), problem);
        }
        choice.copied()
    }

    pub(crate) fn elements(&self) -> Vec<Spot<'a>> {
        match &self.node.value {
            Value::Array(items) => items.iter().enumerate().map(|(i, node)| self.element(i, node)).collect(),
            _ => self.wrong_type("an array").unwrap_or_default(),
        }
    }

    fn element(&self, index: usize, node: &'a Node) -> Self {
        let path = format!("{}[{index}]", self.path);
        Self { reporter: self.reporter, path, key_span: node.span.clone(), node }
    }

    pub(crate) fn strings(&self) -> Vec<String> {
        self.elements().iter().filter_map(Spot::string).collect()
    }

    pub(crate) fn section(&self) -> Option<Section<'a>> {
        match &self.node.value {
            Value::Object(_) => Some(Section::new(self.reporter, &self.path, self.node)),
            _ => self.wrong_type(self.reporter.an_object()),
        }
    }

    /// The elements of an array of objects.
    pub(crate) fn sections(&self) -> Vec<Section<'a>> {
        self.elements().iter().filter_map(Spot::section).collect()
    }
}

/// An object, or what the top level and an environment come to together.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    pub(crate) reporter: &'a Reporter,
    /// Empty at the top level.
    pub(crate) path: String,
    pub(crate) span: Range<usize>,
    pub(crate) fields: Vec<(&'a str, Spot<'a>)>,
}

impl<'a> Section<'a> {
    /// `node` is an object; of anything else the section has no fields.
    pub(crate) fn new(reporter: &'a Reporter, path: &str, node: &'a Node) -> Self {
        let fields = node.entries().iter().map(|entry| {
            let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            let spot = Spot { reporter, path, key_span: entry.key_span.clone(), node: &entry.node };
            (entry.key.as_str(), spot)
        });
        Self { reporter, path: path.to_owned(), span: node.span.clone(), fields: fields.collect() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Spot<'a>> {
        self.fields.iter().find(|(name, _)| *name == key).map(|(_, spot)| spot)
    }

    pub(crate) fn string(&self, key: &str) -> Option<String> {
        self.get(key)?.string()
    }

    pub(crate) fn bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.bool()
    }

    pub(crate) fn strings(&self, key: &str) -> Vec<String> {
        self.get(key).map(Spot::strings).unwrap_or_default()
    }

    pub(crate) fn section(&self, key: &str) -> Option<Section<'a>> {
        self.get(key)?.section()
    }

    /// The objects of the array `key`.
    pub(crate) fn sections(&self, key: &str) -> Vec<Section<'a>> {
        self.get(key).map(Spot::sections).unwrap_or_default()
    }

    /// A string that must be there and not be empty.
    pub(crate) fn required(&self, key: &str) -> Option<String> {
        if let Some(spot) = self.get(key) {
            return spot.name();
        }
        let problem = Diagnostic::error(format!("`{}` has no `{key}`", self.path));
        self.reporter.at(&self.span, format!("`{key}` is required: a string"), problem);
        None
    }

    /// Warns of keys that are not in `known`.
    pub(crate) fn expect_keys(&self, known: &[&str]) {
        for (key, spot) in &self.fields {
            if known.contains(key) {
                continue;
            }
            let problem = Diagnostic::warning(format!("unexpected key `{}`", spot.path));
            let problem = match keys::nearest(key, known.iter().copied()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None if self.reporter.is_toml() && keys::find(key).is_some() => problem
                    .help(format!("if `{key}` is meant for the top level, move it above the first [table]")),
                None => problem,
            };
            self.reporter.at(&spot.key_span, "this key is ignored", problem);
        }
    }

    /// Warns if the section asks for the resource on Cloudflare instead of a local one.
    pub(crate) fn expect_local(&self) {
        if let Some(spot) = self.get("remote")
            && spot.bool() == Some(true)
        {
            let problem = Diagnostic::warning(format!("`{}` stays local", self.path));
            self.reporter.at(&spot.key_span, "Selvedge never connects to Cloudflare", problem);
        }
    }
}

const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

fn parse_bytes(written: &str) -> Option<u64> {
    let (unit, size) = UNITS.iter().find(|(unit, _)| written.ends_with(unit))?;
    written.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*size)
}

fn show_bytes(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, size)| bytes.is_multiple_of(*size));
    unit.map(|(unit, size)| format!("{} {unit}", bytes / size)).unwrap_or_default().trim_end().to_owned()
}

/// `"a", "b" or "c"`.
fn one_of_list(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("{choice:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
