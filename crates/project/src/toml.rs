//! TOML to the tree.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::diagnostic::{Diagnostic, Reporter};
use crate::node::{Entry, Node, Value};

/// The tree of the reporter's file; `None` if it has a syntax error, which is then reported.
pub(crate) fn parse(reporter: &Reporter) -> Option<Node> {
    let source = reporter.source();
    match Document::parse(&*source) {
        Ok(document) => {
            let entries = entries(document.as_table(), &(0..0));
            Some(Node { value: Value::Object(entries), span: 0..0 })
        }
        Err(error) => {
            let what = error.message().trim().replace('\n', ", ");
            let problem = Diagnostic::error("the config is not valid TOML");
            match error.span() {
                Some(span) => reporter.at(&span, what, problem),
                None => reporter.whole(problem.help(what)),
            }
            None
        }
    }
}

fn entries(table: &dyn TableLike, around: &Range<usize>) -> Vec<Entry> {
    let entry = |(key, item): (&str, &Item)| {
        let key_span = table.key(key).and_then(toml_edit::Key::span).unwrap_or_else(|| around.clone());
        let node = convert(item, &key_span)?;
        Some(Entry { key: key.to_owned(), key_span, node })
    };
    table.iter().filter_map(entry).collect()
}

/// `around` is the place of a table that has none of its own, as `a` in `[a.b]`.
fn convert(item: &Item, around: &Range<usize>) -> Option<Node> {
    let span = item.span().unwrap_or_else(|| around.clone());
    let value = match item {
        Item::None => return None,
        Item::Value(value) => return Some(convert_value(value, around)),
        Item::Table(table) => Value::Object(entries(table, &span)),
        Item::ArrayOfTables(tables) => Value::Array(
            tables
                .iter()
                .map(|table| {
                    let span = table.span().unwrap_or_else(|| around.clone());
                    Node { value: Value::Object(entries(table, &span)), span }
                })
                .collect(),
        ),
    };
    Some(Node { value, span })
}

fn convert_value(value: &toml_edit::Value, around: &Range<usize>) -> Node {
    let span = value.span().unwrap_or_else(|| around.clone());
    let value = match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::Number(number.value().to_string()),
        // JSON has neither infinity nor NaN; `JSON.stringify` writes null for them.
        toml_edit::Value::Float(number) if !number.value().is_finite() => Value::Number("null".to_owned()),
        toml_edit::Value::Float(number) => Value::Number(number.value().to_string()),
        toml_edit::Value::Boolean(value) => Value::Bool(*value.value()),
        toml_edit::Value::Datetime(date) => Value::Date(date.value().to_string()),
        toml_edit::Value::Array(array) => {
            Value::Array(array.iter().map(|element| convert_value(element, &span)).collect())
        }
        toml_edit::Value::InlineTable(table) => Value::Object(entries(table, &span)),
    };
    Node { value, span }
}
