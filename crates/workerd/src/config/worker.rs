//! The service of one Worker, and the static assets in front of it.

use std::io::ErrorKind;

use selvedge_project::{Assets, ModuleKind};
use serde_json::{Map, Value as Json};

use super::bindings::bindings;
use super::bundled::{defined_workflows, engine};
use super::files::Files;
use super::generated::{CONSOLE_MODULE, console_module};
use super::places::Place;
use super::text::Value;
use super::{App, AppWorker, ConfigError, names};

/// The Worker's script, which is `modules`, as a service.
pub(super) fn script(
    app: &App<'_>,
    place: Place<'_>,
    worker: &AppWorker,
    modules: Value,
) -> Result<Value, ConfigError> {
    let config = &worker.worker;
    let mut fields = vec![
        ("modules", modules),
        ("compatibilityDate", Value::text(&config.compatibility_date)),
        ("compatibilityFlags", Value::texts(&config.compatibility_flags)),
        ("bindings", bindings(app, place, worker)?),
        ("globalOutbound", Value::text(names::INTERNET)),
        ("cacheApiOutbound", Value::text(names::CACHE)),
    ];
    if place.is_first && !worker.object_classes.is_empty() {
        let namespace = |class: &selvedge_objects::ObjectClass| {
            Value::fields([
                ("className", Value::text(&class.class)),
                ("uniqueKey", Value::text(&class.unique_key)),
                ("enableSql", Value::Bool(class.sqlite)),
            ])
        };
        let namespaces = worker.object_classes.iter().map(namespace).collect();
        fields.push(("durableObjectNamespaces", Value::List(namespaces)));
        fields.push(("durableObjectStorage", storage()));
    }
    let workflows = defined_workflows(app, &config.name)?;
    if place.is_first && !workflows.is_empty() {
        fields.push(("workflowsEngine", engine(&workflows)));
    }
    let name = Value::Text(place.service(config.name.clone()));
    Ok(Value::fields([("name", name), ("worker", Value::Struct(fields))]))
}

/// Where Durable Objects keep what they store.
pub(super) fn storage() -> Value {
    Value::fields([("localDisk", Value::text(names::OBJECTS))])
}

/// The modules of a Worker's script, written to files.
pub(super) fn modules(app: &App<'_>, worker: &AppWorker, files: &mut Files) -> Result<Value, ConfigError> {
    let mut out = Vec::with_capacity(worker.modules.len() + 1);
    for module in &worker.modules {
        let is_main = out.is_empty();
        let name = app.module_name(worker, &module.name);
        let kind = match module.kind {
            ModuleKind::EsModule => "esModule",
            ModuleKind::CommonJs => "commonJsModule",
            ModuleKind::CompiledWasm => "wasm",
            ModuleKind::Text => "text",
            ModuleKind::Data => "data",
            ModuleKind::Json => "json",
        };
        if is_main && app.has_several() && module.kind == ModuleKind::EsModule {
            // At the end, where it moves no line and no column; imports run first wherever they stand.
            let import = ["\nimport \"./", CONSOLE_MODULE, "\";\n"].concat();
            let code = [module.bytes.as_slice(), import.as_bytes()].concat();
            let console = console_module(&worker.worker.name);
            let beside = [name.rfind('/').map_or("", |slash| &name[..=slash]), CONSOLE_MODULE].concat();
            let code = files.embed(&module.name, &code)?;
            let console = files.embed(CONSOLE_MODULE, console.as_bytes())?;
            out.push(Value::fields([("name", Value::Text(name)), (kind, code)]));
            out.push(Value::fields([("name", Value::Text(beside)), ("esModule", console)]));
        } else {
            let code = files.embed(&module.name, &module.bytes)?;
            out.push(Value::fields([("name", Value::Text(name)), (kind, code)]));
        }
    }
    Ok(Value::List(out))
}

/// The static assets of `worker`, and the router that decides between them and its script.
pub(super) fn assets(place: Place<'_>, worker: &AppWorker, assets: &Assets) -> Result<Value, ConfigError> {
    let config = &worker.worker;
    let invalid = |source| ConfigError::AssetsConfig { worker: config.name.clone(), source };
    let mut options: Map<String, Json> = serde_json::from_str(&assets.config).map_err(invalid)?;
    // workerd reads the files of the directory as requests come, but these it wants to be told.
    for (option, file) in [("headers", "_headers"), ("redirects", "_redirects"), ("ignore", ".assetsignore")]
    {
        let path = assets.directory.join(file);
        match std::fs::read(&path) {
            Ok(text) => {
                options.insert(option.to_owned(), String::from_utf8_lossy(&text).into());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(ConfigError::Assets { path, source }),
        }
    }
    let mut fields = vec![
        ("path", Value::text(super::path_text(&assets.directory)?)),
        ("config", Value::Text(Json::Object(options).to_string())),
    ];
    if worker.has_script() {
        fields.push(("userWorker", Value::Text(place.service(config.name.clone()))));
    } else {
        fields.push(("compatibilityDate", Value::text(&config.compatibility_date)));
        fields.push(("compatibilityFlags", Value::texts(&config.compatibility_flags)));
    }
    let name = Value::Text(place.service(names::assets(&config.name)));
    Ok(Value::fields([("name", name), ("assets", Value::Struct(fields))]))
}
