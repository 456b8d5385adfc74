//! `selvedge dev`: one project, served and kept up to date.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use selvedge_api::{ClockMove, ClockState};
use selvedge_base::{Clock, Millis, SharedClock, ShiftedClock, on_lines};
use selvedge_front::{BindError, ErrorPage, Front, RequestLine, RequestLog, Upstream};
use selvedge_project::{LoadError, LoadOptions, Loaded};
use selvedge_s3::Settings as S3Settings;
use selvedge_workerd::{Progress, Search, Tool, ToolError};
use tokio::sync::mpsc;

use crate::data::{DataDirectory, DataError};
use crate::exceptions::Exceptions;
use crate::hyperdrive::Pools;
use crate::locations::{self, Colo};
use crate::release::{ReleaseError, Workshop};
use crate::report::{Failed, Notice, Report};
use crate::s3::{S3Door, S3Error};
use crate::storage::{Storage, StorageError};
use crate::supervise::{Supervisor, Surroundings};
use crate::watch::{Changes, Watched};

/// What `selvedge dev` was asked for.
#[derive(Debug)]
pub struct DevOptions {
    pub project: LoadOptions,
    pub address: SocketAddr,
    /// Where the data is; `None` for `.selvedge` beside the config.
    pub persist_to: Option<PathBuf>,
    /// Where the directory for sockets is made.
    pub temporary: PathBuf,
    /// Where workerd and esbuild are kept.
    pub cache: PathBuf,
    pub environment: BTreeMap<String, String>,
    /// Whether D1 migrations are applied at the start and on changes.
    pub migrate: bool,
    /// Bytes of a request body; `None` for no limit.
    pub body_limit: Option<u64>,
    /// How long requests in flight may go on when the node stops.
    pub drain: Duration,
    /// Locations besides those that the project names.
    pub colos: Vec<Colo>,
    /// Where S3 clients reach the buckets; `None` for nowhere.
    pub s3: Option<SocketAddr>,
}

/// Why `selvedge dev` did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    #[error(transparent)]
    Project(#[from] LoadError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Tool(#[from] ToolError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    S3(#[from] S3Error),
    #[error("cannot watch files for changes")]
    Watch(#[from] notify::Error),
}

/// A project being served.
pub struct Dev {
    options: DevOptions,
    report: Arc<dyn Report>,
    clock: SharedClock,
    workshop: Workshop,
    supervisor: Supervisor,
    upstream: Upstream,
    front: Front,
    /// Where the ports of locations are.
    ports: Vec<(String, SocketAddr)>,
    /// What the storage engines go by.
    time: Arc<ShiftedClock>,
    moves: mpsc::Receiver<ClockMove>,
    s3: Option<S3Door>,
    changes: Changes,
    started: Instant,
    /// When `first` was read.
    since: Millis,
    first: Loaded,
    // Last, so that the directory is given up after everything that uses it.
    _data: DataDirectory,
}

impl Dev {
    /// Loads the project, takes the data directory, finds the tools and binds the address. Nothing is built or
    /// served before [`Dev::run`].
    pub async fn open(
        options: DevOptions,
        report: Arc<dyn Report>,
        progress: &dyn Progress,
        clock: SharedClock,
    ) -> Result<Self, DevError> {
        let (since, started) = (clock.now(), Instant::now());
        let first = load(&options.project, &*clock)?;
        let root = first.project.workers.first().map(|w| w.root.clone()).unwrap_or_default();
        let persist_to = options.persist_to.clone().unwrap_or_else(|| root.join(".selvedge"));
        let data = DataDirectory::take(&persist_to, &options.temporary, &*clock).await?;
        let time = ShiftedClock::new(Arc::clone(&clock));
        let (mover, moves) = mpsc::channel(1);
        let shown = Arc::clone(&time) as SharedClock;
        let storage = Arc::new(Storage::open(data.path(), data.run(), &shown, Some(mover))?);

        let exceptions = Arc::new(Exceptions::default());
        let settings = selvedge_front::Settings {
            body_limit: options.body_limit,
            drain: options.drain,
            clock: Arc::clone(&clock),
            ..selvedge_front::Settings::default()
        };
        let log = Arc::new(Requests(Arc::clone(&report)));
        let mut front =
            Front::bind(options.address, settings, Some(Arc::clone(&exceptions) as _), log).await?;
        let ports = locations::listen(&mut front, &options.colos).await?;
        let upstream = front.upstream();
        upstream.set_locations(&locations::of_app(&first.project, &options.colos));
        let s3 = match options.s3 {
            Some(address) => {
                let settings = S3Settings { drain: options.drain, ..S3Settings::at(address) };
                Some(storage.s3_door(settings, &clock).await?)
            }
            None => None,
        };

        let search =
            Search { project: Some(&root), cache: &options.cache, environment: &options.environment };
        let workerd = selvedge_workerd::locate(Tool::Workerd, &search, progress).await?;
        let esbuild = selvedge_workerd::locate(Tool::Esbuild, &search, progress).await?;
        install_dependencies(&first, &*report).await?;

        let workshop = Workshop {
            esbuild,
            run: data.run().to_owned(),
            data: data.path().to_owned(),
            storage,
            pools: Pools::new(&clock),
            clock: Arc::clone(&clock),
            migrate: options.migrate,
            colos: options.colos.clone(),
        };
        let supervisor = Supervisor::start(Surroundings {
            workerd,
            upstream: upstream.clone(),
            report: Arc::clone(&report),
            exceptions,
        });
        let changes = Changes::new()?;
        Ok(Self {
            options,
            report,
            clock,
            workshop,
            supervisor,
            upstream,
            front,
            ports,
            time,
            moves,
            s3,
            changes,
            started,
            since,
            first,
            _data: data,
        })
    }

    /// Serves until `shutdown` resolves, rebuilding on every change.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let Self {
            options,
            report,
            clock,
            workshop,
            supervisor,
            upstream,
            front,
            ports,
            time,
            mut moves,
            s3,
            changes,
            started,
            since,
            first,
            ..
        } = self;
        let url = format!("http://{}", front.local_addr());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (stop_s3, s3_stopped) = tokio::sync::oneshot::channel::<()>();
        let s3_serving = s3.map(|s3| {
            report.notice(s3.notice());
            tokio::spawn(s3.serve(async {
                let _ = s3_stopped.await;
            }))
        });
        let serving = tokio::spawn(front.serve(async {
            // Dropped or sent: either way it is time to stop.
            let _ = stopped.await;
        }));
        let mut session = Session {
            workshop,
            supervisor: &supervisor,
            upstream,
            report: &*report,
            changes,
            url: url.clone(),
            serves: false,
        };
        let keep_time = async {
            while let Some(ClockMove { seconds, done }) = moves.recv().await {
                if seconds > 0 {
                    time.advance(seconds * 1000);
                    supervisor.renew_isolates().await;
                }
                let _ = done.send(ClockState { now: time.now().secs(), ahead_seconds: time.ahead() / 1000 });
            }
            std::future::pending::<()>().await;
        };
        let keep_up = async {
            session.bring_up(first, since, |took| Notice::Ready { url, took }, started).await;
            for (colo, address) in ports {
                report.notice(Notice::ReadyAt { colo, url: format!("http://{address}") });
            }
            loop {
                session.changes.next().await;
                let (since, noticed) = (clock.now(), Instant::now());
                match load(&options.project, &*clock) {
                    Ok(loaded) => {
                        session.bring_up(loaded, since, |took| Notice::Reloaded { took }, noticed).await;
                    }
                    Err(error) => session.failed(Failed::Config, error.to_string()),
                }
            }
        };
        tokio::select! {
            () = keep_up => {}
            () = keep_time => {}
            () = shutdown => {}
        }
        report.notice(Notice::Stopping);
        // Requests in flight end first: they still need the runtime.
        drop(stop);
        drop(stop_s3);
        let _ = serving.await;
        if let Some(serving) = s3_serving {
            let _ = serving.await;
        }
        supervisor.stop(Duration::from_millis(500)).await;
    }
}

/// Reads the project as of today: tomorrow a later compatibility date may be right.
fn load(options: &LoadOptions, clock: &dyn Clock) -> Result<Loaded, LoadError> {
    selvedge_project::load(&LoadOptions { today: clock.now().date(), ..options.clone() })
}

struct Session<'a> {
    workshop: Workshop,
    supervisor: &'a Supervisor,
    upstream: Upstream,
    report: &'a dyn Report,
    changes: Changes,
    url: String,
    /// Whether some release is being served.
    serves: bool,
}

impl Session<'_> {
    /// Builds and starts what was loaded at `since`, and says it is `done` when it serves.
    async fn bring_up(
        &mut self,
        loaded: Loaded,
        since: Millis,
        done: impl FnOnce(Duration) -> Notice,
        started: Instant,
    ) {
        for warning in loaded.warnings {
            self.report.notice(Notice::Diagnostic(warning));
        }
        let mut watched = Watched { files: loaded.watched.into_iter().collect(), ..Watched::default() };
        let release = self.workshop.make(&loaded.project, &mut watched, self.report).await;
        self.changes.watch(watched, since);
        match release {
            Ok(release) => match self.supervisor.replace(release).await {
                Ok(()) => {
                    self.serves = true;
                    self.report.notice(done(started.elapsed()));
                }
                Err(error) => self.failed(Failed::Start, on_lines(&error)),
            },
            Err(error @ ReleaseError::Build(_)) => self.failed(Failed::Build, error.to_string()),
            Err(error) => self.failed(Failed::Start, on_lines(&error)),
        }
    }

    fn failed(&self, what: Failed, text: String) {
        if !self.serves {
            let title = match what {
                Failed::Config => "The project's config has mistakes",
                Failed::Build => "The build failed",
                Failed::Start => "The Worker did not start",
            };
            self.upstream.fail(ErrorPage {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: title.to_owned(),
                message: "It is tried again when a file of the project changes.".to_owned(),
                details: Some(text.clone()),
            });
        }
        let (still_serving, url) = (self.serves, self.url.clone());
        self.report.notice(Notice::Failed { what, text, still_serving, url });
    }
}

async fn install_dependencies(loaded: &Loaded, report: &dyn Report) -> Result<(), ToolError> {
    let mut roots: Vec<&Path> = loaded.project.workers.iter().map(|w| w.root.as_path()).collect();
    roots.dedup();
    for root in roots {
        if selvedge_workerd::install_dependencies(root).await? {
            report.notice(Notice::Installed(root.to_owned()));
        }
    }
    Ok(())
}

struct Requests(Arc<dyn Report>);

impl RequestLog for Requests {
    fn request(&self, line: &RequestLine<'_>) {
        self.0.notice(Notice::Request {
            method: line.method.as_str().to_owned(),
            target: line.target.to_owned(),
            status: line.status.map(|s| s.as_u16()),
            duration: line.duration,
        });
    }
}
