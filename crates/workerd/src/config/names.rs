//! What services are called inside a config. A Worker keeps its own name; every other name has a slash, which
//! the name of a Worker cannot have.

use super::ConfigError;

pub(super) const CACHE: &str = "selvedge/cache";
pub(super) const CRON: &str = "selvedge/cron";
/// The extension module around a KV namespace.
pub(super) const KV_CACHE: &str = "selvedge:kv-cache";
pub(super) const INTERNET: &str = "selvedge/internet";
pub(super) const OBJECTS: &str = "selvedge/objects";
pub(super) const QUEUES: &str = "selvedge/queues";
pub(super) const WORKFLOWS: &str = "selvedge/workflows";

/// The kinds of resources that a binding calls over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceName {
    Kv,
    D1,
    R2,
}

/// What `x-selvedge-resource` says for a KV namespace's id, a D1 database's id or an R2 bucket's name.
pub fn resource_name(kind: ResourceName, id: &str) -> String {
    let kind = match kind {
        ResourceName::Kv => "kv/",
        ResourceName::D1 => "d1/",
        ResourceName::R2 => "r2/",
    };
    [kind, id].concat()
}

/// The same, when it can be the value of a header.
pub(super) fn resource_service(kind: ResourceName, id: &str) -> Result<String, ConfigError> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        let kind = match kind {
            ResourceName::Kv => "KV namespace",
            ResourceName::D1 => "D1 database",
            ResourceName::R2 => "R2 bucket",
        };
        return Err(ConfigError::ResourceName { kind, id: id.to_owned() });
    }
    Ok(resource_name(kind, id))
}

/// The resource's service for callers that keep what it answers.
pub(super) fn isolate(resource: &str) -> String {
    [resource, "#isolate"].concat()
}

/// The static assets in front of `worker`.
pub(super) fn assets(worker: &str) -> String {
    ["assets/", worker].concat()
}

/// The stand-in for a Worker that is not part of the app.
pub(super) fn missing(worker: &str) -> String {
    ["missing/", worker].concat()
}

pub(super) fn hyperdrive(worker: &str, binding: &str) -> String {
    ["hyperdrive/", worker, "/", binding].concat()
}
