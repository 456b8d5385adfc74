//! The storage and service bindings.
//!
//! Where a binding has a `preview_…` id, that is the one local development uses, as in wrangler.

use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};
use crate::model::{D1Database, Hyperdrive, KvNamespace, R2Bucket, ServiceBinding, Workflow};
use crate::paths::resolve;

pub(crate) fn kv_namespaces(section: &Section<'_>) -> Vec<KvNamespace> {
    let read = |entry: &Section<'_>| {
        entry.expect_keys(&["binding", "id", "preview_id", "remote"]);
        entry.expect_local();
        let binding = entry.required("binding");
        let id = entry.get("id").and_then(Spot::name);
        let preview = entry.get("preview_id").and_then(Spot::name);
        let binding = binding?;
        Some(KvNamespace {
            id: preview.or(id).unwrap_or_else(|| binding.clone()),
            binding,
            ..KvNamespace::default()
        })
    };
    section.sections("kv_namespaces").iter().filter_map(read).collect()
}

pub(crate) fn d1_databases(section: &Section<'_>, root: &Path) -> Vec<D1Database> {
    let read = |entry: &Section<'_>| {
        entry.expect_keys(&[
            "binding",
            "database_id",
            "database_internal_env",
            "database_name",
            "migrations_dir",
            "migrations_table",
            "preview_database_id",
            "remote",
        ]);
        entry.expect_local();
        let binding = entry.required("binding");
        let name = entry.get("database_name").and_then(Spot::name);
        let id = entry.get("database_id").and_then(Spot::name);
        let preview = entry.get("preview_database_id").and_then(Spot::name);
        let migrations_dir = entry.string("migrations_dir").unwrap_or_else(|| "migrations".to_owned());
        let migrations_table = entry.get("migrations_table").and_then(Spot::name);
        let binding = binding?;
        Some(D1Database {
            name: name.unwrap_or_else(|| binding.clone()),
            id: preview.or(id).unwrap_or_else(|| binding.clone()),
            migrations_dir: resolve(root, migrations_dir),
            migrations_table: migrations_table.unwrap_or_else(|| "d1_migrations".to_owned()),
            binding,
            ..D1Database::default()
        })
    };
    section.sections("d1_databases").iter().filter_map(read).collect()
}

pub(crate) fn r2_buckets(section: &Section<'_>) -> Vec<R2Bucket> {
    let read = |entry: &Section<'_>| {
        entry.expect_keys(&["binding", "bucket_name", "preview_bucket_name", "jurisdiction", "remote"]);
        entry.expect_local();
        let binding = entry.required("binding");
        let bucket = entry.get("bucket_name").and_then(bucket_name);
        let preview = entry.get("preview_bucket_name").and_then(bucket_name);
        let binding = binding?;
        Some(R2Bucket {
            bucket: preview.or(bucket).unwrap_or_else(|| binding.clone()),
            binding,
            ..R2Bucket::default()
        })
    };
    section.sections("r2_buckets").iter().filter_map(read).collect()
}

fn bucket_name(spot: &Spot<'_>) -> Option<String> {
    let name = spot.name()?;
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
        && [name.bytes().next(), name.bytes().last()].into_iter().flatten().all(alphanumeric);
    if !valid {
        let problem = Diagnostic::error(format!("`{}` is not a bucket name", spot.path));
        spot.error(
            "expected 3 to 63 characters: lowercase letters, digits and hyphens, no hyphen at either end",
            problem,
        );
    }
    valid.then_some(name)
}

/// `environment` is that of the process: a connection string there wins over the one in the config.
pub(crate) fn hyperdrive(section: &Section<'_>, environment: &BTreeMap<String, String>) -> Vec<Hyperdrive> {
    let read = |entry: &Section<'_>| {
        entry.expect_keys(&["binding", "id", "localConnectionString"]);
        let binding = entry.required("binding");
        let id = entry.required("id");
        let local = entry.get("localConnectionString");
        let in_config = local.and_then(Spot::name);
        let binding = binding?;
        let connection_string = match from_environment(entry, &binding, environment) {
            Some(string) => string,
            None if local.is_some() => in_config?,
            None => {
                let problem = Diagnostic::error(format!("`{}` has no database to connect to", entry.path));
                let help = format!(
                    "set `localConnectionString`, or {VARIABLE}{binding} in the environment, to \
                     postgres://user:password@host:port/database or its mysql:// counterpart"
                );
                entry.reporter.at(&entry.span, "a local connection string is required", problem.help(help));
                return None;
            }
        };
        Some(Hyperdrive { binding, id: id?, connection_string, ..Hyperdrive::default() })
    };
    section.sections("hyperdrive").iter().filter_map(read).collect()
}

const VARIABLE: &str = "CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_";
const OLD_VARIABLE: &str = "WRANGLER_HYPERDRIVE_LOCAL_CONNECTION_STRING_";

fn from_environment(
    entry: &Section<'_>,
    binding: &str,
    environment: &BTreeMap<String, String>,
) -> Option<String> {
    let get = |prefix| environment.get(&format!("{prefix}{binding}")).filter(|value| !value.is_empty());
    if let Some(string) = get(VARIABLE) {
        return Some(string.clone());
    }
    let string = get(OLD_VARIABLE)?;
    let problem = Diagnostic::warning(format!("the variable {OLD_VARIABLE}{binding} is deprecated"));
    entry.reporter.at(
        &entry.span,
        "this binding uses it",
        problem.help(format!("rename it to {VARIABLE}{binding}")),
    );
    Some(string.clone())
}

pub(crate) fn services(section: &Section<'_>) -> Vec<ServiceBinding> {
    let read = |entry: &Section<'_>| {
        entry.expect_keys(&[
            "binding",
            "service",
            "entrypoint",
            "props",
            "environment",
            "cross_account_grant",
            "remote",
        ]);
        entry.expect_local();
        warn_of_environment(entry);
        let binding = entry.required("binding");
        let service = entry.required("service");
        let entrypoint = entry.get("entrypoint").and_then(Spot::name);
        let props = entry.get("props").and_then(|spot| spot.section().map(|_| spot.node.to_json()));
        Some(ServiceBinding { binding: binding?, service: service?, entrypoint, props })
    };
    section.sections("services").iter().filter_map(read).collect()
}

/// Service environments are the abandoned kind: several versions of one Worker under one name.
pub(crate) fn warn_of_environment(entry: &Section<'_>) {
    if let Some(spot) = entry.get("environment") {
        let problem = Diagnostic::warning(format!("`{}` is not supported", spot.path))
            .help("name the Worker as it is called in that environment, for example \"my-worker-staging\"");
        entry.reporter.at(&spot.key_span, "service environments do not exist here", problem);
    }
}

pub(crate) fn workflows(section: &Section<'_>, worker: &str) -> Vec<Workflow> {
    let mut names: Vec<String> = Vec::new();
    let mut read = |entry: &Section<'_>| {
        entry.expect_keys(&["binding", "name", "class_name", "script_name", "remote", "limits"]);
        entry.expect_local();
        let binding = entry.required("binding");
        let name = entry.required("name");
        let class = entry.required("class_name");
        let script = entry.get("script_name").and_then(Spot::name).filter(|script| script != worker);
        let steps = entry.section("limits").and_then(|limits| {
            limits.expect_keys(&["steps"]);
            limits.get("steps")?.count(&(1..=u32::MAX))
        });
        if let (Some(name), Some(spot)) = (&name, entry.get("name")) {
            check_workflow_name(spot, name, &names);
            names.push(name.clone());
        }
        Some(Workflow { binding: binding?, name: name?, class: class?, script, steps })
    };
    section.sections("workflows").iter().filter_map(&mut read).collect()
}

fn check_workflow_name(spot: &Spot<'_>, name: &str, earlier: &[String]) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.len() > 64 || name.starts_with('-') || !name.chars().all(allowed) {
        let problem = Diagnostic::error(format!("`{}` is not a workflow name", spot.path));
        spot.error(
            "expected up to 64 letters, digits, hyphens and underscores, the first not a hyphen",
            problem,
        );
    } else if earlier.iter().any(|other| other == name) {
        spot.error(
            "each workflow needs its own",
            Diagnostic::error(format!("two workflows are named {name:?}")),
        );
    }
}

/// The name of the `version_metadata` binding.
pub(crate) fn version_metadata(section: &Section<'_>) -> Option<String> {
    section.section("version_metadata")?.required("binding")
}
