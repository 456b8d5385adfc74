//! workerd's config for one app, as Cap'n Proto text and the files it embeds.
//!
//! Text rather than the binary form: it needs no schema compiler, and a person can read what runs. Everything
//! secret is in files only their owner can read, never on a command line.

mod app;
mod bindings;
mod bundled;
mod error;
mod files;
mod generated;
mod names;
mod places;
mod resources;
#[cfg(test)]
mod tests;
mod text;
mod worker;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use app::{App, AppWorker, HyperdriveTarget, Mode, Sockets, VersionMetadata};
pub use error::ConfigError;
pub use names::{ResourceName, resource_name};

use files::Files;
use places::Place;
use text::Value;

/// Writes the config of `app` into `directory`, which is made, and made private, first. Returns the config
/// file; the constant in it is the only one.
pub fn write(app: &App<'_>, directory: &Path) -> Result<PathBuf, ConfigError> {
    check(app)?;
    let mut files = Files::new(directory)?;
    let objects = match app.mode {
        Mode::Serve => app.objects.to_owned(),
        // Not in memory: the workflows engine refuses that, and a probe should run what will serve.
        Mode::Probe => directory.join("objects"),
    };
    if app.has_objects() {
        files::private_directory(&objects)?;
    }
    let mut config = vec![
        ("logging", logging()),
        ("sockets", sockets(app)?),
        ("services", services(app, &objects, &mut files)?),
    ];
    let namespaces = app.workers.iter().flat_map(|worker| &worker.worker.kv_namespaces);
    if namespaces.into_iter().any(|namespace| namespace.settings.keeps_in_isolate()) {
        config.push(("extensions", generated::kv_cache(&mut files)?));
    }
    files.write("config.capnp", text::file(&Value::Struct(config)).as_bytes())
}

fn check(app: &App<'_>) -> Result<(), ConfigError> {
    let mut names = BTreeSet::new();
    for worker in app.workers {
        let name = worker.worker.name.clone();
        if !worker.has_script() && worker.worker.assets.is_none() {
            return Err(ConfigError::NothingToRun { worker: name });
        }
        if !names.insert(name.clone()) {
            return Err(ConfigError::DuplicateWorker { name });
        }
    }
    if names.is_empty() { Err(ConfigError::NoWorkers) } else { Ok(()) }
}

fn logging() -> Value {
    Value::fields([
        ("structuredLogging", Value::Bool(true)),
        // Without these, what a Worker writes to `process.stdout` is marked as such in every line.
        ("stdoutPrefix", Value::text("")),
        ("stderrPrefix", Value::text("")),
    ])
}

fn sockets(app: &App<'_>) -> Result<Value, ConfigError> {
    let Some(first) = app.workers.first() else { return Err(ConfigError::NoWorkers) };
    let socket = |place: Place<'_>| {
        let address = match place.colo {
            Some(colo) if !place.is_first => unix(&app.sockets.http_at(colo))?,
            _ => unix(&app.sockets.http)?,
        };
        Ok(Value::fields([
            ("name", Value::Text(place.service("http".to_owned()))),
            ("address", Value::Text(address)),
            (
                "http",
                // No `forwardedProtoHeader`: workerd would take the header away from the Worker.
                Value::fields([("cfBlobHeader", Value::text("x-selvedge-cf"))]),
            ),
            ("service", bindings::designator(app, place, &first.worker.name, None, None)),
        ]))
    };
    Ok(Value::List(app.places().into_iter().map(socket).collect::<Result<_, _>>()?))
}

fn services(app: &App<'_>, objects: &Path, files: &mut Files) -> Result<Value, ConfigError> {
    let mut out = Vec::new();
    for worker in app.workers {
        let modules = if worker.has_script() { Some(worker::modules(app, worker, files)?) } else { None };
        for place in app.places() {
            if let Some(modules) = &modules {
                out.push(worker::script(app, place, worker, modules.clone())?);
            }
            if let Some(assets) = &worker.worker.assets {
                out.push(worker::assets(place, worker, assets)?);
            }
        }
    }
    out.extend(resources::resources(app)?);
    if app.uses_queues() {
        out.push(bundled::queues(app)?);
    }
    if app.uses_crons() {
        out.push(bundled::crons(app));
    }
    if app.uses_workflows() {
        out.push(bundled::workflows(app)?);
    }
    out.extend(generated::missing(app, files)?);
    out.push(generated::cache(files)?);
    out.push(network(app.local_network));
    if app.has_objects() {
        let disk = [("path", Value::text(path_text(objects)?)), ("writable", Value::Bool(true))];
        out.push(Value::fields([("name", Value::text(names::OBJECTS)), ("disk", Value::fields(disk))]));
    }
    Ok(Value::List(out))
}

fn network(local: bool) -> Value {
    let allow = if local { vec!["public", "private"] } else { vec!["public"] };
    let network = Value::fields([
        ("allow", Value::List(allow.into_iter().map(Value::text).collect())),
        ("tlsOptions", Value::fields([("trustBrowserCas", Value::Bool(true))])),
    ]);
    Value::fields([("name", Value::text(names::INTERNET)), ("network", network)])
}

/// The longest path a unix socket's address has room for, without the closing zero.
const SOCKET_PATH_LIMIT: usize = 107;

fn unix(path: &Path) -> Result<String, ConfigError> {
    let text = path_text(path)?;
    if text.len() > SOCKET_PATH_LIMIT {
        return Err(ConfigError::SocketPathTooLong { path: path.to_owned(), limit: SOCKET_PATH_LIMIT });
    }
    Ok(["unix:", text].concat())
}

fn path_text(path: &Path) -> Result<&str, ConfigError> {
    path.to_str().ok_or_else(|| ConfigError::PathNotText { path: path.to_owned() })
}
