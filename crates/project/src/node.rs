//! One tree for both formats: values that know their place in the file.

use std::ops::Range;

use crate::diagnostic::Reporter;

/// A value and the bytes it was written with.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As JSON writes it.
    Number(String),
    String(String),
    /// A date or time of TOML, which wrangler accepts nowhere.
    Date(String),
    Array(Vec<Node>),
    Object(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: Node,
}

impl Node {
    /// What the value is, in words.
    pub(crate) fn kind(&self, reporter: &Reporter) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Date(_) => "a date",
            Value::Array(_) => "an array",
            Value::Object(_) => reporter.an_object(),
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Object(entries) = &self.value { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Node] {
        if let Value::Array(items) = &self.value { items } else { &[] }
    }

    pub(crate) fn string(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value as JSON text, in the order of the file.
    pub(crate) fn to_json(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) => text.clone(),
            Value::String(text) | Value::Date(text) => quote(text),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Node::to_json).collect();
                format!("[{}]", items.join(","))
            }
            Value::Object(entries) => {
                let entry = |e: &Entry| format!("{}:{}", quote(&e.key), e.node.to_json());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// `text` as a JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
