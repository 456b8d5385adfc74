//! The `.env` syntax, as the `dotenv` and `dotenv-expand` packages of npm read it, since wrangler uses them.

use std::collections::{BTreeMap, BTreeSet};

/// The variables of a file, in its order, and the numbers of the lines that set none: those are skipped.
///
/// The text has `\n` for its line ends.
///
/// Known forms: `KEY=value`, `KEY: value`, `export KEY=value`; values bare, or in single, double or back
/// quotes, then also over several lines; `#` starts a comment outside quotes. `\n` and `\r` are escapes in
/// double quotes only.
pub(crate) fn parse(text: &str) -> (Vec<(String, String)>, Vec<usize>) {
    let mut misfits = Vec::new();
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let line = text[at..end].trim();
        if line.is_empty() || line.starts_with('#') {
            at = end + 1;
            continue;
        }
        let Some((key, value_at)) = key(text, at, end) else {
            misfits.push(text[..at].matches('\n').count() + 1);
            at = end + 1;
            continue;
        };
        let (value, value_end) = value(text, value_at);
        match variables.iter_mut().find(|(name, _)| name == key) {
            Some((_, earlier)) => *earlier = value,
            None => variables.push((key.to_owned(), value)),
        }
        at = line_end(text, value_end) + 1;
    }
    (variables, misfits)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length)
}

/// The key of the line, and where its value begins.
fn key(text: &str, at: usize, end: usize) -> Option<(&str, usize)> {
    let mut rest = text[at..end].trim_start();
    if let Some(exported) = rest.strip_prefix("export").filter(|r| r.starts_with(char::is_whitespace)) {
        rest = exported.trim_start();
    }
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let length = rest.find(|c| !is_key(c)).unwrap_or(rest.len());
    let (key, rest) = rest.split_at(length);
    let colon = || rest.strip_prefix(':').filter(|r| r.starts_with(char::is_whitespace));
    let value = rest.trim_start().strip_prefix('=').or_else(colon)?;
    (!key.is_empty()).then(|| (key, end - value.trim_start().len()))
}

/// The value that begins at `at`, and where it ends.
fn value(text: &str, at: usize) -> (String, usize) {
    let quote = text[at..].chars().next().filter(|c| matches!(c, '\'' | '"' | '`'));
    if let Some(quote) = quote
        && let Some(end) = closing(text, at, quote)
    {
        return (unescape(&text[at + 1..end], quote), end);
    }
    let end = line_end(text, at);
    let bare = &text[at..end];
    let bare = bare.find('#').map_or(bare, |comment| &bare[..comment]).trim();
    // `'it's'`: no quote closes it, but it stands between two.
    let inner = quote.and_then(|quote| bare.strip_prefix(quote)?.strip_suffix(quote).map(|b| (b, quote)));
    (inner.map_or_else(|| bare.to_owned(), |(inner, quote)| unescape(inner, quote)), end)
}

/// Where the quote that opens at `at` closes: behind it, the line may only go on with a comment.
fn closing(text: &str, at: usize, quote: char) -> Option<usize> {
    let (end, _) = text[at + 1..].match_indices(quote).find(|(i, _)| !text[..=at + i].ends_with('\\'))?;
    let end = at + 1 + end;
    let rest = text[end + 1..line_end(text, end + 1)].trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(end)
}

fn unescape(text: &str, quote: char) -> String {
    if quote == '"' { text.replace("\\n", "\n").replace("\\r", "\r") } else { text.to_owned() }
}

/// Replaces `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}` by variables that come earlier, or
/// by those of `environment`, which also win over `variables` of the same name. `\$` is a dollar sign.
pub(crate) fn expand(
    variables: Vec<(String, String)>,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut expanded = environment.clone();
    for (key, value) in variables {
        let value = match environment.get(&key) {
            Some(outer) if !outer.is_empty() => outer.clone(),
            _ => expand_value(&value, &expanded),
        };
        expanded.insert(key, value.replace("\\$", "$"));
    }
    expanded
}

fn expand_value(value: &str, known: &BTreeMap<String, String>) -> String {
    let mut result = value.to_owned();
    // What was seen before is not put in again, so that A=$B, B=$A ends.
    let mut seen = BTreeSet::new();
    while let Some((start, end)) = reference(&result) {
        if !seen.insert(result.clone()) {
            break;
        }
        let expression = result[start..end].trim_start_matches(['$', '{']).trim_end_matches('}');
        let operator =
            [":+", ":-", "+", "-"].into_iter().filter_map(|o| Some((expression.find(o)?, o))).min();
        let (name, fallback) = match operator {
            Some((at, operator)) => (&expression[..at], &expression[at + operator.len()..]),
            None => (expression, ""),
        };
        let current = known.get(name).filter(|value| !value.is_empty());
        let replacement = match (operator, current) {
            (Some((_, ":+" | "+")), current) => current.map_or("", |_| fallback).to_owned(),
            (_, Some(value)) if !seen.contains(value) => value.clone(),
            _ => fallback.to_owned(),
        };
        result.replace_range(start..end, &replacement);
    }
    result
}

/// The first `$NAME` or `${…}` that no backslash stands before.
fn reference(text: &str) -> Option<(usize, usize)> {
    text.match_indices('$').find_map(|(at, _)| {
        if text[..at].ends_with('\\') {
            return None;
        }
        let rest = &text[at + 1..];
        if let Some(braced) = rest.strip_prefix('{') {
            let length = braced.find(['{', '}']).filter(|length| *length > 0)?;
            return braced[length..].starts_with('}').then_some((at, at + length + 3));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        (length > 0 && !rest.starts_with(|c: char| c.is_ascii_digit())).then_some((at, at + 1 + length))
    })
}
