//! The compatibility date and flags, checked against what the pinned workerd accepts.

use crate::diagnostic::Diagnostic;
use crate::extract::{Section, Spot};

/// The newest compatibility date that workerd 1.20261117.1 knows.
pub const MAX_COMPATIBILITY_DATE: &str = "2026-11-24";

const WORKERD: &str = "1.20261117.1";

/// What workerd 1.20261117.1 refuses without `--experimental`: found by giving it every flag it knows.
const EXPERIMENTAL_FLAGS: &[&str] = &[
    "allow_insecure_inefficient_logged_eval",
    "auto_inject_python_workers",
    "cache_reload_enabled",
    "connect_handler_starttls",
    "connect_pass_through",
    "d1_binding_jsrpc",
    "durable_object_get_existing",
    "durable_object_rename",
    "durable_object_snapshots",
    "enable_abortsignal_rpc",
    "enable_ctx_version_metadata",
    "enable_d1_with_sessions_api",
    "enable_nodejs_inspector_local_dev",
    "enable_version_api",
    "enable_web_file_system",
    "experimental",
    "expose_draining_reader",
    "expose_serialization_test_class",
    "increase_websocket_message_size",
    "js_rpc",
    "kv_direct_binding",
    "memory_cache_delete",
    "offpeak_location_hint",
    "precise_timers",
    "python_workers_development",
    "python_workers_durable_objects",
    "python_zstd_snapshot",
    "r2_binding_jsrpc",
    "replica_routing",
    "rpc_dispose_cancels_call",
    "rtti_api",
    "service_binding_extra_handlers",
    "spec_compliant_property_attributes",
    "streaming_tail_worker",
    "streams_no_default_auto_allocate_chunk_size",
    "tail_worker_user_spans",
    "typescript_implemented_streams",
    "typescript_strip_types",
    "unsafe_module",
    "unsupported_process_actual_platform",
    "wasm_memory_discard",
    "webgpu",
    "workflows_bindings_rpc",
    "workflows_step_rollback",
];

/// Flags that make workerd talk to a binding in another protocol than Selvedge's services speak.
const FOREIGN_PROTOCOL_FLAGS: &[(&str, &str)] = &[("d1_binding_jsrpc", "D1"), ("r2_binding_jsrpc", "R2")];

/// The date to use. Without one, today's, as wrangler does; never one that workerd would refuse.
pub(crate) fn date(section: &Section<'_>, today: &str) -> String {
    let newest = today.min(MAX_COMPATIBILITY_DATE);
    let Some(spot) = section.get("compatibility_date") else {
        section.reporter.whole(
            Diagnostic::warning(format!("the config has no `compatibility_date`; {newest} is used")).help(
                format!(
                    "add {}, so that a later runtime does not change how the Worker behaves",
                    section.reporter.assignment("compatibility_date", newest)
                ),
            ),
        );
        return newest.to_owned();
    };
    let Some(date) = spot.string() else { return newest.to_owned() };
    if is_date(&date) {
        check_range(spot, &date, today, newest);
    } else {
        let problem = Diagnostic::error(format!("`{}` is not a date", spot.path));
        let dashes = date.contains(['\u{2013}', '\u{2014}']);
        let problem =
            if dashes { problem.help("use plain hyphens (-), not dashes (– or —)") } else { problem };
        spot.error("expected a date such as \"2026-11-01\"", problem);
    }
    date
}

fn check_range(spot: &Spot<'_>, date: &str, today: &str, newest: &str) {
    let (what, label) = if date > MAX_COMPATIBILITY_DATE {
        ("newer than the runtime", format!("workerd {WORKERD} knows dates up to {MAX_COMPATIBILITY_DATE}"))
    } else if date > today {
        ("in the future", format!("today is {today} (UTC), and workerd takes no later date"))
    } else {
        return;
    };
    let problem = Diagnostic::error(format!("the compatibility date {date} is {what}"));
    spot.error(label, problem.help(format!("use {newest} or an earlier date")));
}

/// Whether `text` is an existing day, written as `YYYY-MM-DD`.
fn is_date(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| (part.len(), part.parse::<u32>().ok()));
    let (Some((4, Some(year))), Some((2, Some(month))), Some((2, Some(day))), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && (1..=days).contains(&day)
}

pub(crate) fn flags(section: &Section<'_>, allow_experimental: bool) -> Vec<String> {
    let Some(spot) = section.get("compatibility_flags") else { return Vec::new() };
    let mut flags: Vec<String> = Vec::new();
    for element in spot.elements() {
        let Some(flag) = element.string() else { continue };
        let foreign = FOREIGN_PROTOCOL_FLAGS.iter().find(|(name, _)| *name == flag);
        if let Some((_, binding)) = foreign {
            let problem = Diagnostic::error(format!("the compatibility flag `{flag}` cannot be used"));
            element.error(
                format!("it changes how workerd talks to {binding}, and Selvedge speaks the stable protocol"),
                problem.help("remove it; the binding's API stays the same"),
            );
        } else if EXPERIMENTAL_FLAGS.contains(&flag.as_str()) && !allow_experimental {
            let problem = Diagnostic::error(format!("the compatibility flag `{flag}` is experimental"));
            element.error(
                "workerd may change or drop it, and Cloudflare does not deploy it",
                problem.help("remove it, or allow experimental flags with --experimental"),
            );
        }
        flags.push(flag);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        for date in ["2024-02-29", "2026-11-24", "2000-02-29", "0001-01-01"] {
            assert!(is_date(date), "{date}");
        }
        for text in ["2023-02-29", "1900-02-29", "2026-13-01", "2026-00-10", "2026-04-31", "2026-1-1"] {
            assert!(!is_date(text), "{text}");
        }
        for text in ["", "2026-11-24T00:00:00Z", "+026-11-24", "2026–11–24", "2026-11-24-01"] {
            assert!(!is_date(text), "{text}");
        }
    }
}
