//! Code of our own that runs beside the app's: nothing of it is a Worker that the user wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::text::Value;
use super::{App, AppWorker, ConfigError, names};

/// What bundled and generated code is compiled for. It moves only with what is written there.
pub(super) const COMPATIBILITY_DATE: &str = "2026-01-01";

/// The module that [`console_module`] makes, beside a Worker's main module.
pub(super) const CONSOLE_MODULE: &str = "selvedge-console.js";

/// Marks the console lines of `worker` the way the reader of the output expects.
pub(super) fn console_module(worker: &str) -> String {
    ["const worker = ", &quoted(worker), ";\n", include_str!("js/console.js")].concat()
}

/// The service behind the Cache API, which throws when there is none.
pub(super) fn cache(files: &mut Files) -> Result<Value, ConfigError> {
    let code = files.embed("cache.js", include_bytes!("js/cache.js"))?;
    Ok(service(names::CACHE, code, Vec::new()))
}

/// The extension around KV namespaces that keeps what they answer in the isolate.
pub(super) fn kv_cache(files: &mut Files) -> Result<Value, ConfigError> {
    let module = Value::fields([
        ("name", Value::text(names::KV_CACHE)),
        // No Worker can import it.
        ("internal", Value::Bool(true)),
        ("esModule", files.embed("kv-cache.js", include_bytes!("js/kv-cache.js"))?),
    ]);
    Ok(Value::List(vec![Value::fields([("modules", Value::List(vec![module]))])]))
}

/// A stand-in for each Worker that is bound but not part of the app. It answers everything with an exception
/// that says so.
pub(super) fn missing(app: &App<'_>, files: &mut Files) -> Result<Vec<Value>, ConfigError> {
    let mut services = Vec::new();
    for (name, exports) in wanted(app) {
        let message = format!("Worker \"{name}\" is not part of this app: start it with --config");
        let mut code = ["const message = ", &quoted(&message), ";\n", include_str!("js/missing.js")].concat();
        code.push_str("export { Missing as default };\n");
        for entrypoint in exports.entrypoints.difference(&exports.classes) {
            code.extend(["export { Missing as ", &quoted(entrypoint), " };\n"]);
        }
        let mut namespaces = Vec::new();
        for class in exports.classes {
            code.extend(["export { MissingObject as ", &quoted(class), " };\n"]);
            let unique_key = [names::missing(name).as_str(), "-", class].concat().replace('/', "-");
            namespaces.push(Value::fields([
                ("className", Value::text(class)),
                ("uniqueKey", Value::Text(unique_key)),
            ]));
        }
        let code = files.embed(&["missing-", name, ".js"].concat(), code.as_bytes())?;
        let mut extra = Vec::new();
        if !namespaces.is_empty() {
            extra.push(("durableObjectNamespaces", Value::List(namespaces)));
            extra.push(("durableObjectStorage", Value::fields([("inMemory", Value::Void)])));
        }
        services.push(service(&names::missing(name), code, extra));
    }
    Ok(services)
}

#[derive(Default)]
struct Exports<'a> {
    entrypoints: BTreeSet<&'a str>,
    classes: BTreeSet<&'a str>,
}

fn wanted<'a>(app: &App<'a>) -> BTreeMap<&'a str, Exports<'a>> {
    let mut wanted: BTreeMap<&str, Exports<'_>> = BTreeMap::new();
    let known: BTreeSet<&str> = app.workers.iter().map(|w| w.worker.name.as_str()).collect();
    let absent = |name: &str| !known.contains(name);
    for AppWorker { worker, .. } in app.workers {
        for service in worker.services.iter().filter(|s| absent(&s.service)) {
            let exports = wanted.entry(&service.service).or_default();
            exports.entrypoints.extend(service.entrypoint.as_deref().filter(|e| *e != "default"));
        }
        for object in &worker.durable_objects {
            if let Some(script) = object.script.as_deref().filter(|script| absent(script)) {
                wanted.entry(script).or_default().classes.insert(&object.class);
            }
        }
        for workflow in &worker.workflows {
            if let Some(script) = workflow.script.as_deref().filter(|script| absent(script)) {
                wanted.entry(script).or_default();
            }
        }
    }
    wanted
}

fn service(name: &str, code: Value, extra: Vec<(&'static str, Value)>) -> Value {
    let module = Value::fields([("name", Value::text("worker.js")), ("esModule", code)]);
    let mut worker =
        vec![("modules", Value::List(vec![module])), ("compatibilityDate", Value::text(COMPATIBILITY_DATE))];
    worker.extend(extra);
    Value::fields([("name", Value::text(name)), ("worker", Value::Struct(worker))])
}

/// `text` as a JavaScript string literal.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
