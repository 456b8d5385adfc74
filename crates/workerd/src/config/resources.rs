//! What bindings call over sockets: one external service for each resource. A request does not say whose it is, so
//! the headers that its service injects do.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{self, ResourceName, resource_service};
use super::places::Place;
use super::text::Value;
use super::{App, ConfigError, unix};

pub(super) fn resources(app: &App<'_>) -> Result<Vec<Value>, ConfigError> {
    let (mut wanted, mut isolate) = (BTreeSet::new(), BTreeSet::new());
    let mut databases = BTreeMap::new();
    for worker in app.workers {
        let config = &worker.worker;
        for kv in &config.kv_namespaces {
            let service = resource_service(ResourceName::Kv, &kv.id)?;
            if kv.settings.keeps_in_isolate() {
                isolate.insert(service);
            } else {
                wanted.insert(service);
            }
        }
        for database in &config.d1_databases {
            wanted.insert(resource_service(ResourceName::D1, &database.id)?);
        }
        for bucket in &config.r2_buckets {
            wanted.insert(resource_service(ResourceName::R2, &bucket.bucket)?);
        }
        for target in &worker.hyperdrive {
            databases.insert(names::hyperdrive(&config.name, &target.binding), unix(&target.socket)?);
        }
    }
    let mut out = Vec::with_capacity(wanted.len() + databases.len());
    for place in app.places() {
        for resource in &wanted {
            out.push(resource_at(app, place, resource, false)?);
        }
        for resource in &isolate {
            out.push(resource_at(app, place, resource, true)?);
        }
    }
    for (name, address) in databases {
        out.push(external(name, address, "tcp", Value::Struct(Vec::new())));
    }
    Ok(out)
}

fn resource_at(app: &App<'_>, place: Place<'_>, resource: &str, isolate: bool) -> Result<Value, ConfigError> {
    let header =
        |name: &str, value: &str| Value::fields([("name", Value::text(name)), ("value", Value::text(value))]);
    let mut headers = vec![header("x-selvedge-resource", resource), header("x-selvedge-token", app.token)];
    headers.extend(place.colo.map(|colo| header("x-selvedge-colo", colo)));
    let mut name = place.service(resource.to_owned());
    if isolate {
        headers.push(header("x-selvedge-isolate", "1"));
        name = names::isolate(&name);
    }
    let options = Value::fields([("injectRequestHeaders", Value::List(headers))]);
    Ok(external(name, unix(&app.sockets.bindings)?, "http", options))
}

fn external(name: String, address: String, protocol: &'static str, options: Value) -> Value {
    let server = Value::fields([("address", Value::Text(address)), (protocol, options)]);
    Value::fields([("name", Value::Text(name)), ("external", server)])
}
