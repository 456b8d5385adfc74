//! JSON with comments and trailing commas to the tree.

use std::ops::Range;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, ParseResult, parse_to_ast};

use crate::diagnostic::{Diagnostic, Label, Reporter};
use crate::node::{Entry, Node, Value};

/// What wrangler's parser takes, and no more: a file that works here must work there.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of the reporter's file; `None` if it has a syntax error, which is then reported.
pub(crate) fn parse(reporter: &Reporter) -> Option<Node> {
    let source = reporter.source();
    let problem = match parse_to_ast(&source, &CollectOptions::default(), &OPTIONS) {
        Ok(ParseResult { value: Some(value), .. }) => return Some(convert(reporter, value)),
        Ok(_) => {
            reporter.whole(Diagnostic::error("the config is empty").help("it must hold an object: { … }"));
            return None;
        }
        Err(problem) => problem,
    };
    let span = problem.range().start..problem.range().end;
    let label = lower_first(&problem.kind().to_string());
    reporter.at(&span, label, Diagnostic::error("the config is not valid JSON"));
    None
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_lowercase().chain(characters).collect()).unwrap_or_default()
}

fn convert(reporter: &Reporter, value: ast::Value<'_>) -> Node {
    let span = span(&value);
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::Array(array) => {
            Value::Array(array.elements.into_iter().map(|element| convert(reporter, element)).collect())
        }
        ast::Value::Object(object) => Value::Object(entries(reporter, object)),
    };
    Node { value, span }
}

fn entries(reporter: &Reporter, object: ast::Object<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for property in object.properties {
        let key_span = span(&property.name);
        let key = property.name.into_string();
        let node = convert(reporter, property.value);
        if let Some(index) = entries.iter().position(|entry| entry.key == key) {
            let first = entries.remove(index);
            reporter.at_two(
                Label { span: key_span.clone(), text: "this one counts".to_owned() },
                Label { span: first.key_span, text: "this one is ignored".to_owned() },
                Diagnostic::warning(format!("the key `{key}` is given twice")),
            );
        }
        entries.push(Entry { key, key_span, node });
    }
    entries
}

fn span(ranged: &impl Ranged) -> Range<usize> {
    ranged.start()..ranged.end()
}
