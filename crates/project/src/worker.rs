//! One config, with one environment, as one Worker.

use std::path::Path;

use crate::bindings;
use crate::diagnostic::Diagnostic;
use crate::environment::Effective;
use crate::extract::{Section, Spot};
use crate::load::LoadOptions;
use crate::model::Worker;
use crate::vars::Secrets;
use crate::{assets, build, compatibility, names, objects, queues, vars};

/// What wrangler calls a Worker without a name.
const DEFAULT_NAME: &str = "worker";

/// Reads everything there is, whatever is wrong: mistakes are reported, and what has one is left out.
pub(crate) fn read(
    effective: &Effective<'_>,
    config: &Path,
    options: &LoadOptions,
    secrets: &mut Secrets<'_>,
) -> Worker {
    let section = &effective.section;
    let root = secrets.root;
    if let Some(pages) = section.get("pages_build_output_dir") {
        let problem = Diagnostic::error("this is the config of a Pages project")
            .help("Selvedge runs Workers: replace it by `assets.directory`, and set `main` to the Worker");
        pages.reporter.at(&pages.key_span, "Pages projects are not supported", problem);
    }
    names::check_unique(section);
    names::check_support(section);
    let name = name(section, effective.suffix.as_deref());
    let build = build::build(section, root);
    let assets = assets::assets(section, root);
    if section.get("main").is_none() && section.get("assets").is_none() {
        let problem = Diagnostic::error("the config has neither a script nor assets")
            .help("set `main` to the entry file of the Worker, or `assets.directory` to the files to serve");
        section.reporter.whole(problem);
    }
    let (durable_objects, object_lifecycle) = objects::durable_objects(section, &name);
    let (queue_producers, queue_consumers) = queues::queues(section);
    Worker {
        config: config.to_owned(),
        root: root.to_owned(),
        compatibility_date: compatibility::date(section, &options.today),
        compatibility_flags: compatibility::flags(section, options.allow_experimental),
        build,
        vars: vars::vars(section, secrets),
        kv_namespaces: bindings::kv_namespaces(section),
        d1_databases: bindings::d1_databases(section, root),
        r2_buckets: bindings::r2_buckets(section),
        durable_objects,
        object_lifecycle,
        hyperdrive: bindings::hyperdrive(section, &options.environment),
        services: bindings::services(section),
        assets,
        crons: queues::crons(section),
        queue_producers,
        queue_consumers,
        workflows: bindings::workflows(section, &name),
        version_metadata: bindings::version_metadata(section),
        name,
    }
}

fn name(section: &Section<'_>, suffix: Option<&str>) -> String {
    let Some(name) = section.get("name").and_then(Spot::string).filter(|name| !name.is_empty()) else {
        return DEFAULT_NAME.to_owned();
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if let Some(spot) = section.get("name")
        && (name.starts_with('-') || !name.chars().all(allowed))
    {
        let problem = Diagnostic::error(format!("{name:?} cannot be the name of a Worker"));
        spot.error(
            "expected lowercase letters, digits, hyphens and underscores, the first not a hyphen",
            problem,
        );
    }
    match suffix {
        Some(suffix) => format!("{name}-{suffix}"),
        None => name,
    }
}
