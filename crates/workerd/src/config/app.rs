//! What a config is made from.

use std::path::{Path, PathBuf};

use selvedge_base::Millis;
use selvedge_objects::ObjectClass;
use selvedge_project::Worker;

use crate::bundle::Module;

/// One app: what runs in one workerd process.
#[derive(Clone, Debug)]
pub struct App<'a> {
    /// The first one answers on the HTTP socket. Their names differ.
    pub workers: &'a [AppWorker],
    pub sockets: Sockets,
    /// The names of the locations, the usual one first; empty for an app without locations.
    pub locations: &'a [String],
    /// Injected into every call on a storage binding.
    pub token: &'a str,
    /// Where Durable Objects are kept. The bundled queues, cron triggers and workflows keep theirs here too.
    pub objects: &'a Path,
    pub mode: Mode,
    /// Whether `fetch()` and `connect()` may go to private addresses, this machine's own included.
    pub local_network: bool,
}

/// Unix sockets, by path.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// workerd listens here for requests, at the first location if there are several. `x-selvedge-cf` carries `request.cf` as JSON: whoever is in front must
    /// not pass on a client's own.
    pub http: PathBuf,
    /// The storage services listen here.
    pub bindings: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Serve,
    /// To find out whether workerd accepts the app while another process serves it: its objects are new ones,
    /// kept beside the config, and nothing runs on a schedule.
    Probe,
}

/// One Worker of an app, built.
#[derive(Clone, Debug)]
pub struct AppWorker {
    pub worker: Worker,
    /// The main module first. Empty for a Worker that is only static assets.
    pub modules: Vec<Module>,
    /// The Durable Object classes this Worker defines.
    pub object_classes: Vec<ObjectClass>,
    /// One for each Hyperdrive binding.
    pub hyperdrive: Vec<HyperdriveTarget>,
    pub version: VersionMetadata,
}

/// What stands behind a Hyperdrive binding.
#[derive(Clone, Debug)]
pub struct HyperdriveTarget {
    pub binding: String,
    /// A unix socket that speaks the database's own protocol. It belongs to this binding alone: nothing
    /// on the wire says which one is calling.
    pub socket: PathBuf,
    /// `postgres`, `postgresql` or `mysql`.
    pub scheme: String,
    pub database: String,
    pub user: String,
    pub password: String,
}

/// What a `version_metadata` binding tells.
#[derive(Clone, Debug)]
pub struct VersionMetadata {
    pub id: String,
    pub tag: String,
    pub timestamp: Millis,
}

impl App<'_> {
    /// How many sockets workerd listens on for requests.
    pub fn http_sockets(&self) -> usize {
        self.locations.len().max(1)
    }

    /// Whether workerd has to run with `--experimental`: assets, queues, cron triggers and workflows are
    /// experimental in workerd itself.
    pub fn is_experimental(&self) -> bool {
        self.workers.iter().any(|w| w.worker.assets.is_some())
            || self.uses_queues()
            || self.uses_crons()
            || self.uses_workflows()
    }

    /// Whether the process writes to the objects directory, so that no second one may run beside it.
    pub fn owns_objects(&self) -> bool {
        self.mode == Mode::Serve && self.has_objects()
    }

    pub(super) fn has_objects(&self) -> bool {
        self.workers.iter().any(|w| !w.object_classes.is_empty())
            || self.uses_queues()
            || self.uses_crons()
            || self.uses_workflows()
    }

    /// What stack traces call the main module of `worker`. `None` when it has none.
    ///
    /// The modules of an app of several Workers are below a directory named after their Worker.
    pub fn script_name(&self, worker: &AppWorker) -> Option<String> {
        worker.modules.first().map(|main| self.module_name(worker, &main.name))
    }

    pub(super) fn module_name(&self, worker: &AppWorker, module: &str) -> String {
        if self.has_several() { [&worker.worker.name, "/", module].concat() } else { module.to_owned() }
    }

    pub(super) fn has_several(&self) -> bool {
        self.workers.len() > 1
    }

    pub(super) fn worker(&self, name: &str) -> Option<&AppWorker> {
        self.workers.iter().find(|w| w.worker.name == name)
    }

    pub(super) fn uses_queues(&self) -> bool {
        self.workers
            .iter()
            .any(|w| !w.worker.queue_producers.is_empty() || !w.worker.queue_consumers.is_empty())
    }

    pub(super) fn uses_crons(&self) -> bool {
        self.mode == Mode::Serve && self.workers.iter().any(|w| w.has_script() && !w.worker.crons.is_empty())
    }

    pub(super) fn uses_workflows(&self) -> bool {
        self.workers.iter().any(|w| !w.worker.workflows.is_empty())
    }
}

impl AppWorker {
    pub(super) fn has_script(&self) -> bool {
        !self.modules.is_empty()
    }
}
