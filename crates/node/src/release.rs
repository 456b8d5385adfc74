//! From a project to something workerd can start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_base::{SharedClock, random_hex};
use selvedge_objects::ObjectClass;
use selvedge_project::{Project, Worker};
use selvedge_workerd::{
    App, AppWorker, Bundle, BundleError, ConfigError, Mode, Sockets, SourceMap, VersionMetadata,
};
use tokio::task::JoinSet;

use crate::hyperdrive::{HyperdriveError, Pools};
use crate::locations::{self, Colo};
use crate::report::{Notice, Report};
use crate::storage::{Storage, StorageError};
use crate::watch::Watched;

#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("{0}")]
    Build(BundleError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("hyperdrive {binding}")]
    Hyperdrive { binding: String, source: HyperdriveError },
    #[error("cannot write the runtime's config")]
    Config(#[source] ConfigError),
    #[error("cannot prepare {}", path.display())]
    Files { path: PathBuf, source: std::io::Error },
}

/// One version of the app, ready to be started. Its directory is private to this run.
pub(crate) struct Release {
    pub(crate) serve: PathBuf,
    /// The same without anything on disk; `None` when there is nothing on disk anyway.
    pub(crate) probe: Option<PathBuf>,
    pub(crate) socket: PathBuf,
    /// The names of the app's locations, and the sockets of all but the first.
    pub(crate) locations: Vec<String>,
    pub(crate) other_sockets: Vec<(String, PathBuf)>,
    /// Whether isolates keep values by a clock that nobody here can move.
    pub(crate) isolate_caches: bool,
    /// Whether two processes must not run it at the same time.
    pub(crate) owns_objects: bool,
    pub(crate) experimental: bool,
    pub(crate) source_maps: Vec<(String, SourceMap)>,
    /// The Worker, when there is only one: then whatever is said, it said.
    pub(crate) only_worker: Option<String>,
    directory: PathBuf,
    poolers: JoinSet<()>,
}

impl Drop for Release {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::debug!(%error, path = %self.directory.display(), "a release directory stays");
        }
    }
}

/// What stays the same from release to release.
pub(crate) struct Workshop {
    pub(crate) esbuild: PathBuf,
    pub(crate) run: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) storage: Arc<Storage>,
    pub(crate) clock: SharedClock,
    pub(crate) pools: Pools,
    pub(crate) migrate: bool,
    /// The locations that the command line asks for.
    pub(crate) colos: Vec<Colo>,
}

impl Workshop {
    /// Bundles every Worker and makes the release. What must be watched for the next one is added to
    /// `watched` even when the build fails, so that mending the mistake is noticed.
    pub(crate) async fn make(
        &self,
        project: &Project,
        watched: &mut Watched,
        report: &dyn Report,
    ) -> Result<Release, ReleaseError> {
        let id = random_hex(&*self.clock, 4);
        let directory = self.run.join(&id);
        let (serve, probe) = (directory.join("serve"), directory.join("probe"));
        let files = |source| ReleaseError::Files { path: directory.clone(), source };
        std::fs::create_dir_all(&serve).map_err(files)?;
        let locations = locations::of_app(project, &self.colos);
        let mut release = Release {
            serve: serve.clone(),
            probe: None,
            socket: directory.join("http.sock"),
            locations: locations.clone(),
            other_sockets: Vec::new(),
            isolate_caches: project.workers.iter().any(has_isolate_cache),
            owns_objects: false,
            experimental: false,
            source_maps: Vec::new(),
            only_worker: match project.workers.as_slice() {
                [only] => Some(only.name.clone()),
                _ => None,
            },
            directory: directory.clone(),
            poolers: JoinSet::new(),
        };

        let mut workers = Vec::with_capacity(project.workers.len());
        let mut maps = Vec::with_capacity(project.workers.len());
        for worker in &project.workers {
            let output = directory.join(format!("build-{}", workers.len()));
            std::fs::create_dir_all(&output).map_err(files)?;
            let bundle = match &worker.build {
                Some(_) => self.bundle(worker, &output, watched, report).await?,
                None => Bundle::default(),
            };
            maps.push(bundle.source_map.as_deref().and_then(|map| SourceMap::parse(map).ok()));
            self.storage.provide(worker, &locations).await?;
            if self.migrate {
                self.storage.migrate(worker, report).await?;
            }
            let object_classes = self.settle_objects(worker, &project.workers, report).await?;
            let hyperdrive = self.hyperdrive(worker, workers.len(), &directory, &mut release.poolers)?;
            let mut worker = worker.clone();
            worker.compatibility_flags.extend(bundle.compatibility_flags);
            workers.push(AppWorker {
                worker,
                modules: bundle.modules,
                object_classes,
                hyperdrive,
                version: VersionMetadata { id: id.clone(), tag: String::new(), timestamp: self.clock.now() },
            });
        }

        let objects = self.data.join("objects");
        std::fs::create_dir_all(&objects).map_err(files)?;
        let app = |mode, http: PathBuf| App {
            workers: &workers,
            sockets: Sockets { http, bindings: self.storage.socket.clone() },
            locations: &locations,
            token: &self.storage.token,
            objects: &objects,
            mode,
            local_network: true,
        };
        let serving = app(Mode::Serve, release.socket.clone());
        let others = locations.iter().skip(1);
        release.other_sockets = others.map(|name| (name.clone(), serving.sockets.http_at(name))).collect();
        for (worker, map) in workers.iter().zip(maps) {
            if let (Some(script), Some(map)) = (serving.script_name(worker), map) {
                let map = map.relative_to(&worker.worker.root);
                release.source_maps.push((script, map));
            }
        }
        release.owns_objects = serving.owns_objects();
        release.experimental = serving.is_experimental();
        release.serve = selvedge_workerd::write(&serving, &serve).map_err(ReleaseError::Config)?;
        if release.owns_objects {
            std::fs::create_dir_all(&probe).map_err(files)?;
            let probing = app(Mode::Probe, directory.join("probe.sock"));
            release.probe = Some(selvedge_workerd::write(&probing, &probe).map_err(ReleaseError::Config)?);
        }
        Ok(release)
    }

    async fn bundle(
        &self,
        worker: &Worker,
        output: &Path,
        watched: &mut Watched,
        report: &dyn Report,
    ) -> Result<Bundle, ReleaseError> {
        let bundle = selvedge_workerd::bundle(&self.esbuild, worker, output).await;
        let (trees, files): (Vec<_>, Vec<_>) = match &bundle {
            Ok(bundle) => bundle.inputs.iter().chain(&bundle.watch).cloned().partition(|p| p.is_dir()),
            Err(failed) => failed.watch().into_iter().partition(|p| p.is_dir()),
        };
        // Packages change by installing, not by editing, and there are too many of them to watch.
        let own = |path: &PathBuf| !path.components().any(|c| c.as_os_str() == "node_modules");
        watched.files.extend(files.into_iter().filter(own));
        watched.trees.extend(trees);
        let bundle = bundle.map_err(ReleaseError::Build)?;
        bundle.warnings.iter().for_each(|w| report.notice(Notice::Warning(w.clone())));
        Ok(bundle)
    }

    /// Decides where the objects of `worker` are, remembers it, and moves away what was deleted.
    async fn settle_objects(
        &self,
        worker: &Worker,
        workers: &[Worker],
        report: &dyn Report,
    ) -> Result<Vec<ObjectClass>, ReleaseError> {
        let bound: Vec<String> = workers
            .iter()
            .flat_map(|other| {
                let of_this = |script: &Option<String>| {
                    script.as_ref().map_or(other.name == worker.name, |script| *script == worker.name)
                };
                other.durable_objects.iter().filter(move |b| of_this(&b.script)).map(|b| b.class.clone())
            })
            .collect();
        let catalog = &self.storage.catalog;
        let recorded = catalog.object_classes(&worker.name).await.map_err(StorageError::from)?;
        let outcome = selvedge_objects::settle(&worker.name, &worker.object_lifecycle, &recorded, &bound);
        outcome.warnings.iter().for_each(|w| report.notice(Notice::Warning(w.clone())));
        for unique_key in &outcome.deleted {
            self.move_away(unique_key, report)?;
        }
        if outcome.classes != recorded {
            let settled = catalog.settle_object_classes(&worker.name, outcome.classes.clone());
            settled.await.map_err(StorageError::from)?;
        }
        Ok(outcome.classes)
    }

    /// Deleted objects are not destroyed: a person may have switched branches.
    fn move_away(&self, unique_key: &str, report: &dyn Report) -> Result<(), ReleaseError> {
        let from = self.data.join("objects").join(unique_key);
        if !from.is_dir() {
            return Ok(());
        }
        let to = self.data.join("deleted").join(format!("{unique_key}-{}", self.clock.now().secs()));
        let failed = |source| ReleaseError::Files { path: from.clone(), source };
        std::fs::create_dir_all(self.data.join("deleted")).map_err(failed)?;
        std::fs::rename(&from, &to).map_err(failed)?;
        report.notice(Notice::ObjectsMoved { unique_key: unique_key.to_owned(), to });
        Ok(())
    }
}

fn has_isolate_cache(worker: &Worker) -> bool {
    worker.kv_namespaces.iter().any(|namespace| namespace.settings.keeps_in_isolate())
}

/// `text`, a message with a stack, with places in the bundles turned into places in the sources.
pub(crate) fn map_stack(maps: &[(String, SourceMap)], text: &str) -> String {
    maps.iter().fold(text.to_owned(), |text, (script, map)| map.map_stack(&text, script))
}
