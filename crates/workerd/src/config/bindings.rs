//! The bindings of one Worker.

use selvedge_base::Millis;
use selvedge_project::{KvNamespace, Var};
use serde_json::json;

use super::names::{self, ResourceName, resource_service};
use super::places::Place;
use super::text::Value;
use super::{App, AppWorker, ConfigError};

/// Everything in the `env` of `worker` at `place`.
pub(super) fn bindings(app: &App<'_>, place: Place<'_>, worker: &AppWorker) -> Result<Value, ConfigError> {
    let config = &worker.worker;
    let mut out = Vec::new();
    for (name, var) in &config.vars {
        out.push(match var {
            Var::Text(text) => binding(name, "text", Value::text(text)),
            Var::Json(json) => binding(name, "json", Value::text(json)),
        });
    }
    for kv in &config.kv_namespaces {
        let service = place.service(resource_service(ResourceName::Kv, &kv.id)?);
        out.push(if kv.settings.keeps_in_isolate() {
            kept_in_isolate(kv, names::isolate(&service))
        } else {
            binding(&kv.binding, "kvNamespace", Value::Text(service))
        });
    }
    for bucket in &config.r2_buckets {
        let service = place.service(resource_service(ResourceName::R2, &bucket.bucket)?);
        out.push(binding(&bucket.binding, "r2Bucket", Value::Text(service)));
    }
    if !config.d1_databases.is_empty() && config.compatibility_flags.iter().any(|f| f == "d1_binding_jsrpc") {
        return Err(ConfigError::D1OverRpc { worker: config.name.clone() });
    }
    for database in &config.d1_databases {
        let service = place.service(resource_service(ResourceName::D1, &database.id)?);
        out.push(wrapped(&database.binding, "cloudflare-internal:d1-api", Value::Text(service)));
    }
    for object in &config.durable_objects {
        let script = object.script.as_deref().unwrap_or(&config.name);
        let service = match app.worker(script) {
            Some(owner) if owner.object_classes.iter().any(|c| c.class == object.class) => script.to_owned(),
            Some(_) => {
                return Err(ConfigError::UnknownObjectClass {
                    worker: config.name.clone(),
                    binding: object.name.clone(),
                    class: object.class.clone(),
                    script: script.to_owned(),
                });
            }
            None => names::missing(script),
        };
        let fields = [("className", Value::text(&object.class)), ("serviceName", Value::Text(service))];
        out.push(binding(&object.name, "durableObjectNamespace", Value::fields(fields)));
    }
    for service in &config.services {
        let (entrypoint, props) = (service.entrypoint.as_deref(), service.props.as_deref());
        let target = designator(app, place, &service.service, entrypoint, props);
        out.push(binding(&service.binding, "service", target));
    }
    if let Some(name) = config.assets.as_ref().and_then(|assets| assets.binding.as_ref()) {
        let service = Value::Text(place.service(names::assets(&config.name)));
        let target = Value::fields([("name", service), ("entrypoint", Value::text("AssetWorker"))]);
        out.push(binding(name, "service", target));
    }
    for hyperdrive in &config.hyperdrive {
        let Some(target) = worker.hyperdrive.iter().find(|t| t.binding == hyperdrive.binding) else {
            return Err(ConfigError::NoHyperdriveTarget {
                worker: config.name.clone(),
                binding: hyperdrive.binding.clone(),
            });
        };
        let fields = [
            ("designator", Value::Text(names::hyperdrive(&config.name, &target.binding))),
            ("database", Value::text(&target.database)),
            ("user", Value::text(&target.user)),
            ("password", Value::text(&target.password)),
            ("scheme", Value::text(&target.scheme)),
        ];
        out.push(binding(&target.binding, "hyperdrive", Value::fields(fields)));
    }
    for producer in &config.queue_producers {
        let target = with_props(names::QUEUES, &json!({ "queue": producer.queue }));
        out.push(binding(&producer.binding, "queue", target));
    }
    for workflow in &config.workflows {
        let fetcher = match &workflow.script {
            Some(script) if app.worker(script).is_none() => Value::Text(names::missing(script)),
            _ => workflow_binding(&workflow.name),
        };
        out.push(wrapped(&workflow.binding, "cloudflare-internal:workflows-api", fetcher));
    }
    if let Some(name) = &config.version_metadata {
        let version = &worker.version;
        let value = json!({ "id": version.id, "tag": version.tag, "timestamp": iso_8601(version.timestamp) });
        out.push(binding(name, "json", Value::Text(value.to_string())));
    }
    Ok(Value::List(out))
}

/// Where calls to the Worker `name` go that are made at `place`: to its assets first when it has some, as on
/// Cloudflare.
pub(super) fn designator(
    app: &App<'_>,
    place: Place<'_>,
    name: &str,
    entrypoint: Option<&str>,
    props: Option<&str>,
) -> Value {
    let service = match app.worker(name) {
        None => names::missing(name),
        // Only a script has entrypoints and takes props.
        Some(worker) if worker.has_script() && (entrypoint.is_some() || props.is_some()) => {
            place.service(name.to_owned())
        }
        Some(worker) if worker.worker.assets.is_some() => place.service(names::assets(name)),
        Some(_) => place.service(name.to_owned()),
    };
    let mut fields = vec![("name", Value::Text(service))];
    // workerd names the default export by not naming it.
    if let Some(entrypoint) = entrypoint.filter(|entrypoint| *entrypoint != "default") {
        fields.push(("entrypoint", Value::text(entrypoint)));
    }
    if let Some(props) = props {
        fields.push(("props", Value::fields([("json", Value::text(props))])));
    }
    Value::Struct(fields)
}

/// The workflows engine's face for the workflow `name`.
pub(super) fn workflow_binding(name: &str) -> Value {
    Value::fields([
        ("name", Value::text(names::WORKFLOWS)),
        ("entrypoint", Value::text("WorkflowBinding")),
        ("props", Value::fields([("json", Value::Text(json!({ "workflow": name }).to_string()))])),
    ])
}

pub(super) fn binding(name: &str, kind: &'static str, value: Value) -> Value {
    Value::fields([("name", Value::text(name)), (kind, value)])
}

fn wrapped(name: &str, module: &str, fetcher: Value) -> Value {
    let inner = Value::List(vec![binding("fetcher", "service", fetcher)]);
    let value = Value::fields([("moduleName", Value::text(module)), ("innerBindings", inner)]);
    binding(name, "wrapped", value)
}

/// A namespace whose answers stay in the isolate: the service `service` says for how long.
fn kept_in_isolate(kv: &KvNamespace, service: String) -> Value {
    let settings = json!({
        "id": kv.id, "limit": kv.settings.isolate_cache_size, "ownWrites": kv.settings.own_writes_visible,
    });
    let inner = Value::List(vec![
        binding("namespace", "kvNamespace", Value::Text(service)),
        binding("settings", "json", Value::Text(settings.to_string())),
    ]);
    let value = Value::fields([("moduleName", Value::text(names::KV_CACHE)), ("innerBindings", inner)]);
    binding(&kv.binding, "wrapped", value)
}

fn with_props(service: &str, props: &serde_json::Value) -> Value {
    Value::fields([
        ("name", Value::text(service)),
        ("props", Value::fields([("json", Value::Text(props.to_string()))])),
    ])
}

/// `2026-11-22T04:40:00.000Z`.
fn iso_8601(time: Millis) -> String {
    let (seconds, millis) = (time.secs(), time.0 % 1000);
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_the_way_javascript_writes_it() {
        assert_eq!(iso_8601(Millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_8601(Millis(951_782_399_999)), "2000-02-28T23:59:59.999Z");
        assert_eq!(iso_8601(Millis(951_782_400_000)), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_8601(Millis(1_795_322_517_091)), "2026-11-22T04:41:57.091Z");
    }
}
