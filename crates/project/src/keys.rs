//! Every key of a wrangler config, as data: who inherits it, and what Selvedge makes of it.
//!
//! The list is that of wrangler 4.86.0, with `exports` and the binding kinds that later versions added.

use Inherit::{No, TopOnly, Yes};
use Shape::{List, Map, Nested, Required, Single};
use Support::{Harmless, NoBinding, Unsupported, Used};

/// Whether `[env.NAME]` takes a key over from the top level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inherit {
    Yes,
    No,
    /// The key belongs to the top level only.
    TopOnly,
}

/// Where a key keeps the names of its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `[{ <field> = "NAME" }]`
    List(&'static str),
    /// `{ <list> = [{ <field> = "NAME" }] }`
    Nested(&'static str, &'static str),
    /// `{ binding = "NAME" }`
    Single,
    /// `{ NAME = … }`
    Map,
    /// `{ required = ["NAME"] }`
    Required,
}

/// What Selvedge does about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    Used,
    /// Has no meaning on a machine of one's own; nothing is lost by ignoring it.
    Harmless,
    /// A kind of binding that is missing from `env`.
    NoBinding,
    /// Something that does not happen; the text says what.
    Unsupported(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) inherit: Inherit,
    pub(crate) support: Support,
    /// The name of its binding kind, as wrangler says it, and where the names are.
    pub(crate) binding: Option<(&'static str, Shape)>,
}

const fn key(name: &'static str, inherit: Inherit, support: Support) -> Key {
    Key { name, inherit, support, binding: None }
}

const fn bound(name: &'static str, support: Support, kind: &'static str, shape: Shape) -> Key {
    Key { name, inherit: No, support, binding: Some((kind, shape)) }
}

const fn top_bound(name: &'static str, kind: &'static str) -> Key {
    Key { name, inherit: TopOnly, support: NoBinding, binding: Some((kind, Map)) }
}

pub(crate) const KEYS: &[Key] = &[
    key("name", Yes, Used),
    key("main", Yes, Used),
    key("compatibility_date", Yes, Used),
    key("compatibility_flags", Yes, Used),
    key("no_bundle", Yes, Used),
    key("find_additional_modules", Yes, Used),
    key("preserve_file_names", Yes, Used),
    key("base_dir", Yes, Used),
    key("build", Yes, Used),
    key("rules", Yes, Used),
    key("minify", Yes, Used),
    key("keep_names", Yes, Used),
    key("tsconfig", Yes, Used),
    key("jsx_factory", Yes, Used),
    key("jsx_fragment", Yes, Used),
    key("triggers", Yes, Used),
    key("migrations", Yes, Used),
    key("exports", Yes, Used),
    Key { name: "assets", inherit: Yes, support: Used, binding: Some(("Assets", Single)) },
    key("define", No, Used),
    bound("vars", Used, "Environment Variable", Map),
    bound("secrets", Used, "Secret", Required),
    bound("kv_namespaces", Used, "KV Namespace", List("binding")),
    bound("d1_databases", Used, "D1 Database", List("binding")),
    bound("r2_buckets", Used, "R2 Bucket", List("binding")),
    bound("durable_objects", Used, "Durable Object", Nested("bindings", "name")),
    bound("hyperdrive", Used, "Hyperdrive Config", List("binding")),
    bound("services", Used, "Worker", List("binding")),
    bound("queues", Used, "Queue", Nested("producers", "binding")),
    bound("workflows", Used, "Workflow", List("binding")),
    bound("version_metadata", Used, "Worker Version Metadata", Single),
    key("alias", TopOnly, Used),
    key("env", TopOnly, Used),
    key("pages_build_output_dir", TopOnly, Used),
    // Known, and without a meaning here.
    key("$schema", TopOnly, Harmless),
    key("keep_vars", TopOnly, Harmless),
    key("legacy_env", TopOnly, Harmless),
    key("send_metrics", TopOnly, Harmless),
    key("access", Yes, Harmless),
    key("account_id", Yes, Harmless),
    key("cache", Yes, Harmless),
    key("cloudchamber", No, Harmless),
    key("compliance_region", Yes, Harmless),
    key("first_party_worker", Yes, Harmless),
    key("limits", Yes, Harmless),
    key("logpush", Yes, Harmless),
    key("observability", Yes, Harmless),
    key("placement", Yes, Harmless),
    key("preview_urls", Yes, Harmless),
    key("previews", Yes, Harmless),
    key("route", Yes, Harmless),
    key("routes", Yes, Harmless),
    key("upload_source_maps", Yes, Harmless),
    key("workers_dev", Yes, Harmless),
    // Known, and missed by the Worker.
    key("containers", No, Unsupported("no containers are started")),
    key("dev", TopOnly, Unsupported("the address to listen on is given on the command line")),
    key("python_modules", Yes, Unsupported("Python Workers are not supported")),
    key("site", TopOnly, Unsupported("Workers Sites are not served; use `assets` instead")),
    key("streaming_tail_consumers", No, Unsupported("no tail events are sent")),
    key("tail_consumers", No, Unsupported("no tail events are sent")),
    bound("agent_memory", NoBinding, "Agent Memory", List("binding")),
    bound("ai", NoBinding, "AI", Single),
    bound("ai_search", NoBinding, "AI Search Instance", List("binding")),
    bound("ai_search_namespaces", NoBinding, "AI Search Namespace", List("binding")),
    bound("analytics_engine_datasets", NoBinding, "Analytics Engine Dataset", List("binding")),
    bound("artifacts", NoBinding, "Artifacts", List("binding")),
    bound("browser", NoBinding, "Browser Run", Single),
    bound("connect", NoBinding, "Connect", List("binding")),
    top_bound("data_blobs", "Data Blob"),
    bound("dispatch_namespaces", NoBinding, "Dispatch Namespace", List("binding")),
    bound("flagship", NoBinding, "Flagship", List("binding")),
    bound("images", NoBinding, "Images", Single),
    Key {
        name: "logfwdr",
        inherit: Yes,
        support: NoBinding,
        binding: Some(("logfwdr", Nested("bindings", "name"))),
    },
    bound("media", NoBinding, "Media", Single),
    bound("mtls_certificates", NoBinding, "mTLS Certificate", List("binding")),
    bound("pipelines", NoBinding, "Pipeline", List("binding")),
    bound("ratelimits", NoBinding, "Rate Limit", List("name")),
    bound("secrets_store_secrets", NoBinding, "Secrets Store Secret", List("binding")),
    bound("send_email", NoBinding, "Send Email", List("name")),
    bound("stream", NoBinding, "Stream", Single),
    top_bound("text_blobs", "Text Blob"),
    bound("unsafe", NoBinding, "Unsafe Metadata", Nested("bindings", "name")),
    bound("unsafe_hello_world", NoBinding, "Hello World", List("binding")),
    bound("vectorize", NoBinding, "Vectorize Index", List("binding")),
    bound("vpc_networks", NoBinding, "VPC Network", List("binding")),
    bound("vpc_services", NoBinding, "VPC Service", List("binding")),
    top_bound("wasm_modules", "Wasm Module"),
    bound("websearch", NoBinding, "Web Search", Single),
    bound("worker_loaders", NoBinding, "Worker Loader", List("binding")),
];

pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The name that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase().replace('-', "_");
    // One slip in a short word, up to three in a long one; more is another word.
    let limit = (word.len() / 3).clamp(1, 3);
    names
        .filter(|name| *name != word)
        .map(|name| (distance(&folded, &name.to_lowercase().replace('-', "_")), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be inserted, deleted or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_listed_once() {
        for key in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.name == key.name).count(), 1, "{}", key.name);
        }
    }

    #[test]
    fn a_slip_of_the_pen_finds_the_key_and_another_word_does_not() {
        let nearest = |word| nearest(word, KEYS.iter().map(|key| key.name));
        assert_eq!(nearest("kv_namespace"), Some("kv_namespaces"));
        assert_eq!(nearest("compatability_date"), Some("compatibility_date"));
        assert_eq!(nearest("durableObjects"), Some("durable_objects"));
        assert_eq!(nearest("mian"), None, "two slips in four letters could be anything");
        assert_eq!(nearest("mai"), Some("main"));
        assert_eq!(nearest("frobnicate"), None);
    }
}
