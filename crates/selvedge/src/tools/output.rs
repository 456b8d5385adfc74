//! Results on stdout, talk on stderr.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;

/// What stays as it is in a path segment.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `text` as one segment of a path, or one value of a query.
pub(crate) fn segment(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, PLAIN)
}

/// Prints `value` as indented JSON, as wrangler does.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    raw(&text)
}

/// Writes bytes to stdout. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Prints rows under headings.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    raw(format!("{table}\n").as_bytes())
}

/// Prints the fields of an object, one a row.
pub(crate) fn facts(object: &Value) -> anyhow::Result<()> {
    let rows = object.as_object().into_iter().flatten();
    let rows = rows.map(|(key, value)| vec![key.clone(), plain(value)]);
    table(&["", "value"], &rows.collect::<Vec<_>>())
}

/// Says something to the person at the terminal.
pub(crate) fn spoken(text: impl Display) {
    anstream::eprintln!("{text}");
}

/// A bar over `total` of `unit` on stderr; nothing when stderr is no terminal.
pub(crate) fn bar(doing: &str, unit: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = format!("{doing} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{per_sec}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// A count of bytes whose end is not known; nothing when stderr is no terminal.
pub(crate) fn byte_bar(doing: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(&format!("{doing} {{bytes}} {{bytes_per_sec}}")) {
        bar.set_style(style);
    }
    bar
}

/// Something that turns while nothing can be counted.
pub(crate) fn spinner(doing: String) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(doing);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A JSON value for a cell of a table: text without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
