//! The process itself.

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncRead;
use tokio::process::Child;
use tokio::sync::mpsc;

use super::lines::Lines;
use super::output::{Line, Reader};
use super::problem::{missing_class, readable};
use super::watchdog::Watchdog;
use super::{Event, Level, StartError};
use crate::command::command;

/// How a process is started.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Whether workerd may use what it calls experimental: see [`App::is_experimental`](crate::App::is_experimental).
    pub experimental: bool,
    /// Where debuggers may connect. Nobody is asked for a password there.
    pub inspector: Option<SocketAddr>,
    /// How many sockets its config has.
    pub sockets: usize,
    /// How long it may take until they listen.
    pub max_wait: Duration,
}

impl Default for StartOptions {
    fn default() -> Self {
        Self { experimental: false, inspector: None, sockets: 1, max_wait: Duration::from_secs(30) }
    }
}

/// How a process ended, as the end of a sentence that begins with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitStatusText(String);

impl fmt::Display for ExitStatusText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Result<ExitStatus>> for ExitStatusText {
    fn from(status: std::io::Result<ExitStatus>) -> Self {
        Self(match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("ended with code {code}"),
                (_, Some(signal)) => format!("was ended by signal {signal}"),
                _ => "ended".to_owned(),
            },
            Err(error) => format!("is gone ({error})"),
        })
    }
}

/// A workerd that serves. Dropping it kills it; so does our own end, whatever it is.
#[derive(Debug)]
pub struct Process {
    id: u32,
    // In this order: a process has to be gone before its watchdog is.
    child: Child,
    watchdog: Option<Watchdog>,
    ended: Option<ExitStatusText>,
}

/// What a reader tells [`Process::start`].
enum Startup {
    /// On one of its sockets.
    Listening,
    /// Worth telling if there is no start.
    Said(String),
    MissingClass(String),
}

impl Process {
    /// Starts `workerd` with the config file `config`, and returns when its sockets listen. Their
    /// paths must not exist yet.
    ///
    /// Everything it says goes to `events` for as long as it lives. Somebody has to receive them all the time,
    /// also while this starts: a process whose words nobody takes stands still. When the receiver is dropped
    /// they are thrown away.
    pub async fn start(
        workerd: &Path,
        config: &Path,
        options: StartOptions,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, StartError> {
        let failed = |program: &Path| {
            let program = program.to_owned();
            move |source| StartError::Spawn { program, source }
        };
        let mut child = launch(workerd, config, &options).map_err(failed(workerd))?;
        let id = child.id().unwrap_or_default();
        let watchdog = pid(id).map(Watchdog::over).transpose().map_err(failed(Path::new("/bin/sh")))?;
        let (reports, startup) = mpsc::channel(16);
        let ours = events.clone();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(relay(stdout, Speaker::Stdout, reports.clone(), events.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(relay(stderr, Speaker::Stderr, reports, events));
        }
        let mut process = Self { id, child, watchdog, ended: None };
        match process.wait_until_ready(startup, options.sockets, options.max_wait).await {
            Ok(messages) => {
                for message in messages {
                    let _ = ours.send(Event::Runtime { level: Level::Error, message }).await;
                }
                Ok(process)
            }
            Err(error) => {
                process.stop(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Asks it to end: it takes no more connections, and those it has may go on until `deadline` is over. Then
    /// it is killed. When this returns it is gone, and nothing has its files open.
    pub async fn stop(&mut self, deadline: Duration) {
        if self.ended.is_some() {
            return;
        }
        if !deadline.is_zero() {
            if let Some(pid) = pid(self.id) {
                // It cannot be somebody else's yet: nobody has asked for its status.
                let _ = kill_process(pid, Signal::TERM);
            }
            if tokio::time::timeout(deadline, self.exited()).await.is_ok() {
                return;
            }
        }
        // It fails only when the process has ended by itself.
        let _ = self.child.start_kill();
        self.exited().await;
    }

    /// Returns when the process has ended, by itself or by [`stop`](Self::stop). May be dropped and called
    /// again.
    pub async fn exited(&mut self) -> ExitStatusText {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        let ended = ExitStatusText::from(self.child.wait().await);
        self.ended = Some(ended.clone());
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.release().await;
        }
        ended
    }

    /// Returns what was said meanwhile and did not matter.
    async fn wait_until_ready(
        &mut self,
        mut startup: mpsc::Receiver<Startup>,
        mut sockets: usize,
        max_wait: Duration,
    ) -> Result<Vec<String>, StartError> {
        let mut messages = Vec::new();
        let mut missing = Vec::new();
        let report = async {
            while let Some(report) = startup.recv().await {
                match report {
                    Startup::Listening if sockets <= 1 => return true,
                    Startup::Listening => sockets -= 1,
                    Startup::Said(message) => messages.push(message),
                    Startup::MissingClass(class) => missing.push(missing_class(&class)),
                }
            }
            false
        };
        let Ok(is_ready) = tokio::time::timeout(max_wait, report).await else {
            return Err(StartError::Timeout { after: max_wait, messages });
        };
        // Such a process serves, but every call to an object of that class would fail.
        if is_ready && missing.is_empty() {
            return Ok(messages);
        }
        // A Worker that could not be loaded exports nothing either: then only what it died of counts.
        let messages = if is_ready || messages.is_empty() { missing } else { messages };
        if messages.is_empty() {
            return Err(StartError::Exited { status: self.exited().await });
        }
        Err(StartError::Config { messages })
    }
}

fn launch(workerd: &Path, config: &Path, options: &StartOptions) -> std::io::Result<Child> {
    let mut command = command(workerd);
    // Control messages go where the console lines go, so that all of them are in order. `--verbose` is what
    // makes workerd tell the stacks of exceptions.
    command.args(["serve", "--control-fd=1", "--verbose"]);
    if options.experimental {
        command.arg("--experimental");
    }
    if let Some(address) = options.inspector {
        command.arg(format!("--inspector-addr={address}"));
    }
    command.arg(config);
    // It is noisy about one that is not where it was started, and has no other use for it.
    command.env_remove("PWD");
    // A group of its own: what a terminal sends to stop us must not reach it before we have drained it.
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Stdout,
    Stderr,
}

/// Reads one of the two streams to its end.
async fn relay(
    stream: impl AsyncRead + Unpin,
    speaker: Speaker,
    reports: mpsc::Sender<Startup>,
    events: mpsc::Sender<Event>,
) {
    let mut lines = Lines::new(stream);
    let mut reader = Reader::default();
    while let Some(line) = lines.next().await {
        let event = match reader.read(line) {
            Line::Nothing => continue,
            Line::Listening(_) => {
                let _ = reports.send(Startup::Listening).await;
                continue;
            }
            Line::MissingClass(class) => {
                // workerd itself only warns.
                let _ = reports.send(Startup::MissingClass(class)).await;
                continue;
            }
            Line::Event(event) => event,
        };
        // Before it serves, what workerd says on stderr is why it will not.
        let event = match (speaker, event) {
            (Speaker::Stderr, Event::Runtime { level: Level::Error, message }) => {
                match reports.send(Startup::Said(readable(&message))).await {
                    Ok(()) => continue,
                    Err(_) => Event::Runtime { level: Level::Error, message },
                }
            }
            (_, event) => event,
        };
        // Nobody may listen any more, but the stream still has to be read.
        let _ = events.send(event).await;
    }
}
