//! What a Worker may import from Node.js, and how esbuild and workerd are told.
//!
//! wrangler fills the gaps of workerd's own Node.js modules with polyfills. We do not: the pinned workerd has every
//! module itself, so we switch on the ones that the Worker's compatibility date leaves off.

use std::collections::BTreeSet;

use selvedge_project::Worker;

/// How much of Node.js the runtime offers; from the Worker's date and flags, as workerd itself reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Off,
    /// Only `node:async_hooks`.
    AsyncHooks,
    /// `node:*`, but neither bare names nor globals.
    Prefixed,
    /// `node:*`, bare names, `process` and `Buffer`.
    Full,
}

/// Names that mean a Node.js module even without `node:`. (`sqlite` and `test` exist only with it.)
const BARE: &str = "assert async_hooks buffer child_process cluster console constants crypto dgram \
    diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process \
    punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url util v8 vm wasi \
    worker_threads zlib";

/// Modules inside modules.
const INNER: [&str; 12] = [
    "assert/strict",
    "dns/promises",
    "fs/promises",
    "inspector/promises",
    "path/posix",
    "path/win32",
    "readline/promises",
    "stream/consumers",
    "stream/promises",
    "stream/web",
    "timers/promises",
    "util/types",
];

/// Modules that workerd has only from a compatibility date on, or with a flag. Found by trying the pinned workerd
/// on each date and the day before.
const SINCE: [(&str, &str, &str); 22] = [
    ("http", "2025-08-15", "nodejs_http_modules"),
    ("https", "2025-08-15", "nodejs_http_modules"),
    ("http2", "2025-09-01", "nodejs_http2_module"),
    ("fs", "2025-09-15", "nodejs_fs_module"),
    ("os", "2025-09-15", "nodejs_os_module"),
    ("console", "2025-09-21", "nodejs_console_module"),
    ("vm", "2025-10-01", "nodejs_vm_module"),
    ("cluster", "2025-12-04", "nodejs_cluster_module"),
    ("domain", "2025-12-04", "nodejs_domain_module"),
    ("punycode", "2025-12-04", "nodejs_punycode_module"),
    ("trace_events", "2025-12-04", "nodejs_trace_events_module"),
    ("wasi", "2025-12-04", "nodejs_wasi_module"),
    ("dgram", "2026-01-29", "nodejs_dgram_module"),
    ("inspector", "2026-01-29", "nodejs_inspector_module"),
    ("sqlite", "2026-01-29", "nodejs_sqlite_module"),
    ("child_process", "2026-03-17", "nodejs_child_process_module"),
    ("perf_hooks", "2026-03-17", "nodejs_perf_hooks_module"),
    ("readline", "2026-03-17", "nodejs_readline_module"),
    ("repl", "2026-03-17", "nodejs_repl_module"),
    ("tty", "2026-03-17", "nodejs_tty_module"),
    ("v8", "2026-03-17", "nodejs_v8_module"),
    ("worker_threads", "2026-03-17", "nodejs_worker_threads_module"),
];

impl Node {
    pub(super) fn of(worker: &Worker) -> Self {
        let date = worker.compatibility_date.as_str();
        let has = |flag: &str| worker.compatibility_flags.iter().any(|own| own == flag);
        // Since this date `nodejs_compat` is on unless told otherwise. `no_nodejs_compat` alone does not take the
        // modules away on such a date: workerd derives them from the second version of the flag.
        let by_date = date >= "2026-08-04";
        let compat = has("nodejs_compat");
        if has("nodejs_compat_v2")
            || (!has("no_nodejs_compat_v2") && (by_date || (compat && date >= "2024-09-23")))
        {
            Self::Full
        } else if compat || (by_date && !has("no_nodejs_compat")) {
            Self::Prefixed
        } else if has("nodejs_als") {
            Self::AsyncHooks
        } else {
            Self::Off
        }
    }

    /// Whether the runtime has `specifier`, which starts with `node:`.
    pub(super) fn offers(self, specifier: &str) -> bool {
        match self {
            Self::Off => false,
            Self::AsyncHooks => specifier == "node:async_hooks",
            Self::Prefixed | Self::Full => true,
        }
    }

    /// What to change so that a Node.js module can be imported.
    pub(super) fn advice(self, specifier: &str) -> String {
        match self {
            Self::Prefixed | Self::Full => format!(
                "\"{specifier}\" is built into Node.js. Write \"node:{specifier}\", or set \"compatibility_date\" to 2024-09-23 or later."
            ),
            Self::Off | Self::AsyncHooks => format!(
                "\"{specifier}\" is built into Node.js. To use it, add \"nodejs_compat\" to \"compatibility_flags\" and set \"compatibility_date\" to 2024-09-23 or later."
            ),
        }
    }
}

/// Names to replace by the same name with `node:`. esbuild applies each to what is below it too (`fs/promises`).
pub(super) fn bare_names() -> impl Iterator<Item = &'static str> {
    BARE.split_ascii_whitespace()
}

/// Whether workerd has a module of this name, given the right date and flags.
pub(super) fn is_known(specifier: &str) -> bool {
    specifier.strip_prefix("node:").is_some_and(|name| {
        INNER.contains(&name) || matches!(name, "sqlite" | "test") || bare_names().any(|bare| bare == name)
    })
}

/// For `node:process/browser`, `process/browser`: a file of an npm package, which esbuild's aliases took for a part of
/// a Node.js module of the same name. Otherwise nothing.
pub(super) fn mistaken_alias(specifier: &str) -> Option<&str> {
    let name = specifier.strip_prefix("node:")?;
    (name.contains('/') && !INNER.contains(&name)).then_some(name)
}

/// The flags that `imports` (specifiers that start with `node:`) need on the Worker's date.
pub(super) fn missing_flags<'a>(worker: &Worker, imports: impl Iterator<Item = &'a str>) -> Vec<String> {
    let modules: BTreeSet<&str> = imports
        .filter_map(|specifier| specifier.strip_prefix("node:"))
        .filter_map(|name| name.split('/').next())
        .collect();
    let mut flags: Vec<String> = SINCE
        .iter()
        .filter(|(module, since, _)| modules.contains(module) && worker.compatibility_date.as_str() < *since)
        .map(|(_, _, flag)| *flag)
        // The user's own word on a flag stands.
        .filter(|flag| {
            let own = |flags: &String| {
                flags.strip_prefix("enable_").or_else(|| flags.strip_prefix("disable_")) == Some(*flag)
            };
            !worker.compatibility_flags.iter().any(own)
        })
        .map(|flag| format!("enable_{flag}"))
        .collect();
    flags.dedup();
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(date: &str, flags: &[&str]) -> Worker {
        Worker {
            compatibility_date: date.to_owned(),
            compatibility_flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            ..Worker::default()
        }
    }

    #[test]
    fn the_mode_follows_date_and_flags_as_workerd_does() {
        for (date, flags, mode) in [
            ("2026-11-01", &[][..], Node::Full),
            ("2026-08-03", &[], Node::Off),
            ("2024-09-23", &["nodejs_compat"], Node::Full),
            ("2024-09-22", &["nodejs_compat"], Node::Prefixed),
            ("2024-01-01", &["nodejs_compat_v2"], Node::Full),
            ("2026-11-01", &["no_nodejs_compat_v2"], Node::Prefixed),
            ("2025-01-01", &["nodejs_compat", "no_nodejs_compat_v2"], Node::Prefixed),
            ("2024-01-01", &["nodejs_als"], Node::AsyncHooks),
        ] {
            assert_eq!(Node::of(&worker(date, flags)), mode, "{date} {flags:?}");
        }
    }

    #[test]
    fn flags_are_added_only_where_the_date_lacks_them_and_the_user_is_silent() {
        let imports = ["node:fs/promises", "node:fs", "node:http", "node:https", "node:crypto"];
        let flags = |date, own: &[&str]| missing_flags(&worker(date, own), imports.into_iter());
        assert_eq!(flags("2024-09-23", &[]), ["enable_nodejs_http_modules", "enable_nodejs_fs_module"]);
        assert_eq!(flags("2025-09-14", &[]), ["enable_nodejs_fs_module"]);
        assert!(flags("2025-09-15", &[]).is_empty());
        assert_eq!(flags("2024-09-23", &["disable_nodejs_fs_module"]), ["enable_nodejs_http_modules"]);
    }

    #[test]
    fn files_of_packages_are_told_from_inner_modules() {
        assert_eq!(mistaken_alias("node:process/browser"), Some("process/browser"));
        assert_eq!(mistaken_alias("node:fs/promises"), None);
        assert_eq!(mistaken_alias("node:fs"), None);
        assert_eq!(mistaken_alias("cloudflare:workers"), None);
    }
}
