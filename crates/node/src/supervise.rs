//! Keeping one workerd running: the first start, the swap to a new release, the restart after a crash.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use selvedge_front::{ExceptionDetails, Upstream};
use selvedge_workerd::{Backoff, Event, Process, StartError, StartOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::exceptions::Exceptions;
use crate::release::{Release, map_stack};
use crate::report::{Notice, Report};

/// How long the old process may go on with its connections during a swap.
const SWAP_DRAIN: Duration = Duration::from_secs(2);
/// How long a process may take to end when nobody needs it any more.
const STOP: Duration = Duration::from_millis(250);

enum Command {
    Replace(Release, oneshot::Sender<Result<(), StartError>>),
    /// For the sake of what its isolates remember.
    Renew(oneshot::Sender<()>),
    Stop(Duration, oneshot::Sender<()>),
}

/// What the supervisor needs from the node.
pub(crate) struct Surroundings {
    pub(crate) workerd: PathBuf,
    pub(crate) upstream: Upstream,
    pub(crate) report: Arc<dyn Report>,
    pub(crate) exceptions: Arc<Exceptions>,
}

/// The handle of the task that owns the process.
pub(crate) struct Supervisor {
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn start(around: Surroundings) -> Self {
        let (commands, receiver) = mpsc::channel(4);
        let (events, reports) = mpsc::channel(1024);
        let current = Arc::new(RwLock::default());
        tokio::spawn(relay_events(
            reports,
            Arc::clone(&current),
            Arc::clone(&around.report),
            Arc::clone(&around.exceptions),
        ));
        let task = Task { around, events, current, process: None, backoff: Backoff::default() };
        Self { commands, task: tokio::spawn(task.run(receiver)) }
    }

    /// Puts `release` in the place of what runs now. On an error what ran before goes on.
    pub(crate) async fn replace(&self, release: Release) -> Result<(), StartError> {
        let (reply, answer) = oneshot::channel();
        // The task ends only after `stop`.
        let _ = self.commands.send(Command::Replace(release, reply)).await;
        answer.await.unwrap_or(Ok(()))
    }

    /// Starts what runs again if its isolates keep values by a clock of their own, so that none of them is left.
    pub(crate) async fn renew_isolates(&self) {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Renew(reply)).await;
        let _ = answer.await;
    }

    /// Ends the process, giving its requests until `deadline`.
    pub(crate) async fn stop(self, deadline: Duration) {
        let (reply, answer) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(deadline, reply)).await;
        let _ = answer.await;
        let _ = self.task.await;
    }
}

type Current = Arc<RwLock<Option<Arc<Release>>>>;

struct Task {
    around: Surroundings,
    events: mpsc::Sender<Event>,
    /// The release that runs, or that ran last.
    current: Current,
    process: Option<Process>,
    backoff: Backoff,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let died = async {
                match &mut self.process {
                    Some(process) => process.exited().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Replace(release, reply)) => {
                        // A caller that went away does not want the answer.
                        let _ = reply.send(self.replace(release).await);
                    }
                    Some(Command::Renew(reply)) => {
                        self.renew(&commands).await;
                        let _ = reply.send(());
                    }
                    Some(Command::Stop(deadline, reply)) => {
                        if let Some(mut process) = self.process.take() {
                            process.stop(deadline).await;
                        }
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                how = died => {
                    self.process = None;
                    self.revive(how.to_string(), &commands).await;
                }
            }
        }
    }

    async fn replace(&mut self, release: Release) -> Result<(), StartError> {
        let release = Arc::new(release);
        if self.process.is_none() {
            return self.start(release).await;
        }
        if !release.owns_objects && !self.running().is_some_and(|old| old.owns_objects) {
            // Nothing on disk that two processes could fight over: start the new one, then stop the old.
            let process = self.launch(&release.serve, &release).await?;
            self.open(&release);
            let (old, its_release) = (self.process.replace(process), self.running());
            self.set_running(release);
            if let Some(mut old) = old {
                tokio::spawn(async move {
                    old.stop(SWAP_DRAIN).await;
                    // Until now its last requests needed what belongs to the release.
                    drop(its_release);
                });
            }
            return Ok(());
        }
        let mut probe = self.launch(release.probe.as_ref().unwrap_or(&release.serve), &release).await?;
        probe.stop(Duration::ZERO).await;
        self.around.upstream.hold(SWAP_DRAIN).await;
        if let Some(mut old) = self.process.take() {
            // Its requests had their time; what is left are connections that it would keep open for ever.
            old.stop(STOP).await;
        }
        let before = self.running();
        let Err(failed) = self.start(release).await else { return Ok(()) };
        if let Some(before) = before {
            self.start(before).await?;
        }
        Err(failed)
    }

    async fn renew(&mut self, commands: &mpsc::Receiver<Command>) {
        let Some(release) = self.running().filter(|release| release.isolate_caches) else { return };
        let Some(mut old) = self.process.take() else { return };
        self.around.upstream.hold(SWAP_DRAIN).await;
        old.stop(STOP).await;
        if let Err(failed) = self.start(release).await {
            self.revive(failed.to_string(), commands).await;
        }
    }

    async fn start(&mut self, release: Arc<Release>) -> Result<(), StartError> {
        let process = self.launch(&release.serve, &release).await?;
        self.open(&release);
        self.process = Some(process);
        self.set_running(release);
        self.backoff.started();
        Ok(())
    }

    /// Lets requests in to `release`, which runs.
    fn open(&self, release: &Release) {
        self.around.upstream.serve_at(release.socket.clone(), release.other_sockets.clone());
        self.around.upstream.set_locations(&release.locations);
    }

    /// Starts again what died, as often as it takes, until somebody asks for something else.
    async fn revive(&mut self, how: String, commands: &mpsc::Receiver<Command>) {
        let Some(release) = self.running() else { return };
        let mut how = how;
        loop {
            let restart_in = self.backoff.next();
            self.around.report.notice(Notice::RuntimeDied { how, restart_in });
            self.around.upstream.hold(Duration::ZERO).await;
            if self.somebody_asks_within(restart_in, commands).await {
                return;
            }
            match self.start(Arc::clone(&release)).await {
                Ok(()) => {
                    self.around.report.notice(Notice::RuntimeRestarted);
                    return;
                }
                Err(failed) => how = failed.to_string(),
            }
        }
    }

    async fn somebody_asks_within(&self, wait: Duration, commands: &mpsc::Receiver<Command>) -> bool {
        let until = tokio::time::Instant::now() + wait;
        while commands.is_empty() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        !commands.is_empty()
    }

    async fn launch(&self, config: &Path, release: &Release) -> Result<Process, StartError> {
        // The runtime refuses to start over a socket that is still there.
        let others = release.other_sockets.iter().map(|(_, socket)| socket);
        for socket in std::iter::once(&release.socket).chain(others) {
            let _ = std::fs::remove_file(socket);
        }
        let options = StartOptions {
            experimental: release.experimental,
            sockets: 1 + release.other_sockets.len(),
            ..StartOptions::default()
        };
        Process::start(&self.around.workerd, config, options, self.events.clone()).await
    }

    fn running(&self) -> Option<Arc<Release>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_running(&self, release: Arc<Release>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(release);
    }
}

async fn relay_events(
    mut events: mpsc::Receiver<Event>,
    current: Current,
    report: Arc<dyn Report>,
    exceptions: Arc<Exceptions>,
) {
    while let Some(event) = events.recv().await {
        let release = current.read().unwrap_or_else(PoisonError::into_inner).clone();
        report.notice(match event {
            Event::Log { worker, level, message } => {
                let worker = worker.or_else(|| release?.only_worker.clone());
                Notice::Console { worker, level, message }
            }
            Event::Runtime { level, message } => Notice::Runtime { level, message },
            Event::Exception { message } => {
                let text = release.map_or_else(|| message.clone(), |r| map_stack(&r.source_maps, &message));
                let (headline, stack) = text.split_once('\n').unwrap_or((&text, ""));
                exceptions.add(ExceptionDetails { message: headline.to_owned(), stack: stack.to_owned() });
                Notice::Exception(text)
            }
        });
    }
}
