//! A Worker in a real workerd, with two databases: ours and workerd's own. Every answer must be the same.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::start;
use crate::support::{Config, Workerd};

pub(super) const BINDINGS: &str = r#"
        (name = "OURS", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = "ours")],
        )),
        (name = "BUNDLED", wrapped = (
          moduleName = "cloudflare-internal:d1-api",
          innerBindings = [(name = "fetcher", service = (
            name = "bundled", props = (json = "{\"database\": \"shop\"}")
          ))],
        )),
"#;

/// workerd's own D1, on the directory that `disk` names.
pub(super) fn bundled(disk: &Path) -> String {
    format!(
        r#"
    (name = "bundled", worker = (
      modules = [(name = "d1.js", bundled = "/workerd/d1.js")],
      compatibilityDate = "2025-11-01",
      durableObjectNamespaces = [(className = "D1Database", uniqueKey = "d1", enableSql = true)],
      durableObjectStorage = (localDisk = "disk"),
      bindings = [(name = "DATABASE", durableObjectNamespace = "D1Database")],
    )),
    (name = "disk", disk = (path = "{}", writable = true)),
"#,
        disk.display()
    )
}

/// Leaves out of an answer what is each one's own: names, times, and sizes, which depend on hidden tables.
fn comparable(answer: &Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let own = ["served_by", "timings", "duration", "size_after"];
            let kept = fields.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), comparable(value))).collect())
        }
        Value::Array(values) => values.iter().map(comparable).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sees_what_it_sees_in_workerds_own_d1() {
    let service = start().await;
    let disk = tempfile::tempdir().unwrap();
    let config = Config {
        worker: include_str!("worker.js"),
        bindings: BINDINGS,
        services: &bundled(disk.path()),
        experimental: true,
    };
    let workerd = Workerd::start(&service, config).await;

    let steps: Vec<Value> = serde_json::from_str(include_str!("steps.json")).unwrap();
    // A step with `then` shows its difference in what comes after it.
    let sent: Vec<(Value, bool)> = steps
        .into_iter()
        .flat_map(|step| match step {
            Value::Array(_) => vec![(step, false)],
            step if step.get("then").is_some() => {
                vec![(step["step"].clone(), false), (step["then"].clone(), true)]
            }
            step => vec![(step["step"].clone(), true)],
        })
        .collect();
    let body = Value::Array(sent.iter().map(|(step, _)| step.clone()).collect()).to_string();
    let answers = workerd.ask(Method::POST, body).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), sent.len());

    let mut wrong = Vec::new();
    for ((step, differs), pair) in sent.iter().zip(answers) {
        let (ours, bundled) = (comparable(&pair[0]), comparable(&pair[1]));
        if (ours != bundled) != *differs {
            wrong.push(format!("{step}\n    ours    {ours}\n    bundled {bundled}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), sent.len(), wrong.join("\n"));
    // The Worker's answer, not an error that both have in common.
    assert_eq!(answers[6][0]["ok"]["results"][2], json!({ "id": 7, "name": "blob", "v": [0, 127, 255] }));
}
