//! SQLite's behaviour, statement by statement: on our D1, on workerd's own and on SQLite without a policy.
//!
//! `corpus/*.sql` has one statement (or several that belong together) a line; an indented line goes on with the
//! one before, `--? [...]` gives the parameters of the next, other comments are for people. The statements of a
//! file build on each other. Every difference is in `corpus/differences.json` with its reason; one that is listed
//! and gone fails as much as one that is not listed.

use std::collections::BTreeMap;

use http::Method;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

use super::start;
use super::worker::{BINDINGS, bundled};
use crate::support::{Config, Workerd};

struct Case {
    /// What the list of differences calls it.
    name: String,
    sql: String,
    params: Vec<Value>,
}

fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut params = Vec::new();
    for line in text.lines() {
        if let Some(given) = line.strip_prefix("--?") {
            params = serde_json::from_str(given).unwrap();
        } else if line.starts_with(' ') {
            let case = cases.last_mut().unwrap();
            case.sql = format!("{}\n{line}", case.sql);
        } else if !line.is_empty() && !line.starts_with("--") {
            cases.push(Case {
                name: String::new(),
                sql: line.to_owned(),
                params: std::mem::take(&mut params),
            });
        }
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for case in &mut cases {
        let params = if case.params.is_empty() { String::new() } else { format!(" {}", json!(case.params)) };
        let name = format!("{}{params}", case.sql);
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        case.name = if *times == 1 { name } else { format!("{name} #{times}") };
    }
    cases
}

/// What was answered, without what is each one's own: names, times, and sizes, which depend on hidden tables.
fn answered(outcome: &Value) -> Value {
    let Some(answer) = outcome.get("ok") else { return json!({ "error": outcome["error"] }) };
    let meta: Map<String, Value> = ["changes", "changed_db", "last_row_id", "rows_read", "rows_written"]
        .into_iter()
        .map(|name| (name.to_owned(), answer["meta"][name].clone()))
        .collect();
    json!({ "rows": doubles(&answer["results"]), "meta": meta })
}

/// Every number as the double that JavaScript has.
fn doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(doubles).collect(),
        Value::Object(fields) => Value::Object(fields.iter().map(|(k, v)| (k.clone(), doubles(v))).collect()),
        other => other.clone(),
    }
}

/// Rows as the runtime shows them, from SQLite itself. What our policy refused is undone, so that what follows has
/// the same tables.
fn plainly(connection: &rusqlite::Connection, case: &Case, undo: bool) -> Value {
    let rows = || -> rusqlite::Result<Value> {
        connection.execute_batch("BEGIN")?;
        let mut batch = rusqlite::Batch::new(connection, &case.sql);
        let mut rows = Vec::new();
        while let Some(mut statement) = batch.next()? {
            rows.clear();
            let wanted = statement.parameter_count();
            for (at, param) in case.params.iter().enumerate().take(wanted) {
                bind(&mut statement, at + 1, param)?;
            }
            let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
            let mut stepping = statement.raw_query();
            while let Some(row) = stepping.next()? {
                let value = |at| Ok::<_, rusqlite::Error>(shown(row.get_ref(at)?));
                let fields: Result<Map<_, _>, _> = names
                    .iter()
                    .enumerate()
                    .map(|(at, name)| Ok::<_, rusqlite::Error>((name.clone(), value(at)?)))
                    .collect();
                rows.push(Value::Object(fields?));
            }
        }
        if !undo {
            connection.execute_batch("COMMIT")?;
        }
        Ok(Value::Array(rows))
    };
    let rows = rows();
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").unwrap();
    }
    rows.map_or_else(
        |error| {
            let text = match error {
                rusqlite::Error::SqliteFailure(_, Some(text)) => text,
                rusqlite::Error::SqlInputError { msg, .. } => msg,
                other => other.to_string(),
            };
            json!({ "error": text })
        },
        |rows| json!({ "rows": rows }),
    )
}

fn bind(statement: &mut rusqlite::Statement<'_>, at: usize, param: &Value) -> rusqlite::Result<()> {
    match param {
        Value::Null => statement.raw_bind_parameter(at, rusqlite::types::Null),
        Value::Bool(value) => statement.raw_bind_parameter(at, f64::from(u8::from(*value))),
        Value::Number(number) => statement.raw_bind_parameter(at, number.as_f64()),
        Value::String(text) => statement.raw_bind_parameter(at, text),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = serde_json::from_value(bytes.clone().into()).unwrap();
            statement.raw_bind_parameter(at, bytes)
        }
        Value::Object(_) => panic!("no parameter: {param}"),
    }
}

fn shown(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        #[expect(clippy::cast_precision_loss, reason = "as JavaScript does")]
        ValueRef::Integer(n) => json!(n as f64),
        ValueRef::Real(n) => json!(n),
        ValueRef::Text(text) => json!(String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => json!(bytes.iter().map(|b| f64::from(*b)).collect::<Vec<_>>()),
    }
}

/// The part of our answer that SQLite alone would give: no counts, no codes behind the message.
fn as_sqlite(ours: &Value) -> Value {
    let Some(error) = ours["error"].as_str() else { return json!({ "rows": ours["rows"] }) };
    let text = error.strip_prefix("D1_ERROR: ").unwrap_or(error);
    let text = text.find(": SQLITE_").map_or(text, |end| &text[..end]);
    // An offset is only in Cloudflare's text.
    let text = text.rfind(" at offset ").map_or(text, |end| &text[..end]);
    json!({ "error": text })
}

/// The cases of one file that are known to differ from `peer`, with why.
fn known(file: &str, peer: &str) -> BTreeMap<String, String> {
    let all: Value = serde_json::from_str(include_str!("corpus/differences.json")).unwrap();
    let mut known = BTreeMap::new();
    for reason in all[file][peer].as_array().into_iter().flatten() {
        let why = reason["why"].as_str().unwrap();
        for case in reason["cases"].as_array().unwrap() {
            let twice = known.insert(case.as_str().unwrap().to_owned(), why.to_owned());
            assert!(twice.is_none(), "{case} is listed twice");
        }
    }
    known
}

async fn check(file: &str, text: &str) {
    let cases = parse(text);
    let service = start().await;
    let disk = tempfile::tempdir().unwrap();
    let config = Config {
        worker: include_str!("worker.js"),
        bindings: BINDINGS,
        services: &bundled(disk.path()),
        experimental: true,
    };
    let workerd = Workerd::start(&service, config).await;
    let steps: Vec<Value> = cases
        .iter()
        .map(|case| {
            Value::Array([json!("all"), json!(case.sql)].into_iter().chain(case.params.clone()).collect())
        })
        .collect();
    let answers = workerd.ask(Method::POST, Value::Array(steps).to_string()).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), cases.len());

    let plain = rusqlite::Connection::open_in_memory().unwrap();
    let (mut from_workerd, mut from_sqlite) = (known(file, "workerd"), known(file, "sqlite"));
    let mut wrong = Vec::new();
    let mut compare =
        |peer: &str, known: &mut BTreeMap<String, String>, name: &str, ours: &Value, theirs: &Value| match (
            ours == theirs,
            known.remove(name).is_some(),
        ) {
            (true, true) => wrong.push(format!("{peer}: {name}\n    is listed, but does not differ")),
            (false, false) => {
                wrong.push(format!("{peer}: {name}\n    ours   {ours}\n    theirs {theirs}"));
            }
            _ => {}
        };
    for (case, pair) in cases.iter().zip(answers) {
        let (ours, bundled) = (answered(&pair[0]), answered(&pair[1]));
        compare("workerd", &mut from_workerd, &case.name, &ours, &bundled);
        let alone = plainly(&plain, case, ours.get("error").is_some());
        compare("sqlite", &mut from_sqlite, &case.name, &as_sqlite(&ours), &alone);
    }
    for (peer, left) in [("workerd", from_workerd), ("sqlite", from_sqlite)] {
        wrong.extend(
            left.keys().map(|name| format!("{peer}: {name}\n    is listed, but there is no such case")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} complaints about {} cases of {file}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

macro_rules! files {
    ($($test:ident $file:literal)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                check($file, include_str!(concat!("corpus/", $file, ".sql"))).await;
            }
        )*

        #[test]
        fn the_corpus_is_large_and_all_of_it_is_run() {
            let files = [$(($file, include_str!(concat!("corpus/", $file, ".sql")))),*];
            let cases: usize = files.iter().map(|(_, text)| parse(text).len()).sum();
            assert!(cases > 900, "{cases}");
            let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/d1/corpus");
            let there = std::fs::read_dir(directory).unwrap().count();
            assert_eq!(there, files.len() + 1, "every file is named here, and one has the differences");
        }
    };
}

files! {
    dates_and_mathematics "dates"
    json_functions "json"
    policy_and_errors "policy"
    reading "queries"
    definitions "schema"
    full_text_and_boxes "search"
    texts_and_collations "text"
    types_and_affinities "types"
    writing "writes"
}
