//! The storage engines of one data directory, and the socket on which workerd reaches them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use selvedge_api::{Api, ClockMove};
use selvedge_base::{SharedClock, random_hex};
use selvedge_bindings::{Registry, Resource};
use selvedge_catalog::{Catalog, ResourceKind};
use selvedge_project::{D1Settings, Worker};
use selvedge_workerd::{ResourceName, resource_name};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::locations::Edges;
use crate::report::{Notice, Report};

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("cannot open the catalog")]
    Catalog(#[from] selvedge_sqlite::Error),
    #[error("KV namespace {id}")]
    Kv { id: String, source: selvedge_kv::Error },
    #[error("D1 database {id}")]
    D1 { id: String, source: selvedge_d1::Error },
    #[error("R2 bucket {id}")]
    R2 { id: String, source: selvedge_r2::Error },
    #[error("the migrations of the D1 database {database}")]
    Migrate { database: String, source: Box<selvedge_d1::MigrateError> },
    #[error("cannot make {}", path.display())]
    Scratch { path: PathBuf, source: std::io::Error },
    #[error("cannot listen on {}", path.display())]
    Listen { path: PathBuf, source: std::io::Error },
}

/// Where tools reach a running node, in its run directory.
pub(crate) const API_SOCKET: &str = "api.sock";

pub(crate) struct Storage {
    kv: Arc<selvedge_kv::Store>,
    d1: Arc<selvedge_d1::Store>,
    pub(crate) r2: Arc<selvedge_r2::Store>,
    pub(crate) catalog: Catalog,
    pub(crate) api: Arc<Api>,
    edges: Edges,
    registry: Arc<Registry>,
    pub(crate) token: String,
    pub(crate) socket: PathBuf,
    serving: [JoinHandle<()>; 2],
}

impl Storage {
    /// `moves` leads to whoever moves the clock, if anybody does.
    pub(crate) fn open(
        data: &Path,
        run: &Path,
        clock: &SharedClock,
        moves: Option<mpsc::Sender<ClockMove>>,
    ) -> Result<Self, StorageError> {
        let catalog = Catalog::open(data)?;
        let kv =
            selvedge_kv::Store::open(&data.join("kv"), Arc::clone(clock), selvedge_kv::Limits::default())
                .map_err(|source| StorageError::Kv { id: "*".to_owned(), source })?;
        let d1 =
            selvedge_d1::Store::open(&data.join("d1"), Arc::clone(clock), selvedge_d1::Limits::default())
                .map_err(|source| StorageError::D1 { id: "*".to_owned(), source })?;
        let r2 =
            selvedge_r2::Store::open(&data.join("r2"), Arc::clone(clock), selvedge_r2::Limits::default())
                .map_err(|source| StorageError::R2 { id: "*".to_owned(), source })?;
        let (kv, d1, r2) = (Arc::new(kv), Arc::new(d1), Arc::new(r2));
        let socket = run.join("bindings.sock");
        let listener = listen(&socket)?;
        let token = random_hex(&**clock, 32);
        let registry = Arc::new(Registry::new(token.clone()));
        let api = Arc::new(Api {
            kv: Arc::clone(&kv),
            d1: Arc::clone(&d1),
            r2: Arc::clone(&r2),
            catalog: catalog.clone(),
            clock: Arc::clone(clock),
            scratch: scratch(data)?,
            clock_moves: moves,
            is_bound: Box::new({
                let registry = Arc::clone(&registry);
                move |kind, id| registry.contains(&resource_name(named(kind), id))
            }),
        });
        let serving = [
            tokio::spawn(selvedge_bindings::serve(listener, Arc::clone(&registry))),
            tokio::spawn(selvedge_api::serve(listen(&run.join(API_SOCKET))?, Arc::clone(&api))),
        ];
        Ok(Self { kv, d1, r2, catalog, api, edges: Edges::default(), registry, token, socket, serving })
    }

    /// Opens everything that the bindings of `worker` stand for, in an app with these locations.
    pub(crate) async fn provide(&self, worker: &Worker, locations: &[String]) -> Result<(), StorageError> {
        for namespace in &worker.kv_namespaces {
            let id = &namespace.id;
            let open = self.kv.namespace(id).await;
            let open = open.map_err(|source| StorageError::Kv { id: id.clone(), source })?;
            let resource = self.edges.resource(namespace, open, locations);
            self.registry.insert(resource_name(ResourceName::Kv, id), resource);
            self.catalog.name_resource(ResourceKind::Kv, id, &namespace.binding).await?;
        }
        for database in &worker.d1_databases {
            let id = &database.id;
            let failed = |source| StorageError::D1 { id: id.clone(), source };
            self.d1.limit(id, d1_limits(&database.settings));
            self.d1.configure(id, d1_settings(&database.settings)).await.map_err(failed)?;
            let open = self.d1.database(id).await.map_err(failed)?;
            self.registry.insert(resource_name(ResourceName::D1, id), Resource::D1(open));
            self.catalog.name_resource(ResourceKind::D1, id, &database.name).await?;
        }
        for bucket in &worker.r2_buckets {
            let name = &bucket.bucket;
            let open = self.r2.bucket(name).await;
            let open = open.map_err(|source| StorageError::R2 { id: name.clone(), source })?;
            self.registry.insert(resource_name(ResourceName::R2, name), Resource::R2(open));
            self.catalog.name_resource(ResourceKind::R2, name, name).await?;
        }
        Ok(())
    }

    /// Applies what is in the migrations directories of the D1 databases of `worker`.
    pub(crate) async fn migrate(&self, worker: &Worker, report: &dyn Report) -> Result<(), StorageError> {
        for database in worker.d1_databases.iter().filter(|d| d.migrations_dir.is_dir()) {
            let open = self.d1.database(&database.id).await;
            let open = open.map_err(|source| StorageError::D1 { id: database.id.clone(), source })?;
            let applied = open.migrate(&database.migrations_dir, &database.migrations_table).await;
            let files = applied.map_err(|source| {
                let database = database.name.clone();
                StorageError::Migrate { database, source: Box::new(source) }
            })?;
            if !files.is_empty() {
                report.notice(Notice::Migrated { database: database.name.clone(), files });
            }
        }
        Ok(())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        for task in &self.serving {
            task.abort();
        }
    }
}

/// Cloudflare's limits, but for what the project sets.
fn d1_limits(settings: &D1Settings) -> selvedge_d1::Limits {
    let mut limits = selvedge_d1::Limits::default();
    // Their ranges are checked where they are read.
    let small = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    limits.sql.value_length = settings.value_size.map_or(limits.sql.value_length, small);
    limits.sql.sql_length = settings.statement_size.map_or(limits.sql.sql_length, small);
    limits.sql.parameters = settings.parameters.unwrap_or(limits.sql.parameters);
    limits.sql.columns = settings.columns.unwrap_or(limits.sql.columns);
    limits.database_size = settings.database_size.unwrap_or(limits.database_size);
    limits.request_time =
        settings.request_seconds.map_or(limits.request_time, |s| Duration::from_secs(s.into()));
    limits
}

fn d1_settings(settings: &D1Settings) -> selvedge_d1::Settings {
    selvedge_d1::Settings {
        history: settings.history,
        retention: Duration::from_hours(24 * u64::from(settings.retention_days)),
        replication: selvedge_d1::Replication {
            replicas: usize::try_from(settings.replicas).unwrap_or(0),
            lag: Duration::from_millis(settings.replica_lag_ms.into()),
            ..selvedge_d1::Replication::default()
        },
    }
}

/// An empty directory for files on their way in, on the disk of the data.
fn scratch(data: &Path) -> Result<PathBuf, StorageError> {
    let path = data.join("incoming");
    // What an interrupted run left there was not acknowledged to anybody.
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).map_err(|source| StorageError::Scratch { path: path.clone(), source })?;
    Ok(path)
}

fn named(kind: ResourceKind) -> ResourceName {
    match kind {
        ResourceKind::Kv => ResourceName::Kv,
        ResourceKind::D1 => ResourceName::D1,
        ResourceKind::R2 => ResourceName::R2,
    }
}

fn listen(path: &Path) -> Result<UnixListener, StorageError> {
    UnixListener::bind(path).map_err(|source| StorageError::Listen { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_kept_as_the_project_says() {
        let said = D1Settings {
            history: false,
            retention_days: 7,
            replicas: 2,
            replica_lag_ms: 500,
            ..D1Settings::default()
        };
        let kept = d1_settings(&said);
        assert!(!kept.history);
        assert_eq!(kept.retention, Duration::from_hours(7 * 24));
        assert_eq!((kept.replication.replicas, kept.replication.lag), (2, Duration::from_millis(500)));
        assert_eq!(d1_settings(&D1Settings::default()), selvedge_d1::Settings::default());
    }
}
