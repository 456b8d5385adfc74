//! How the command speaks: talk on stderr, the Worker's own words on stdout, colours where there is a
//! terminal.

use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use selvedge_node::{Failed, Level, Notice, Report};
use selvedge_project::LoadError;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();

/// Stopped by a signal before there was anything to stop gracefully.
pub(crate) const INTERRUPTED: u8 = 130;

/// Resolves at the first SIGINT or SIGTERM. A second one ends the process at once.
pub(crate) async fn told_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(i32::from(INTERRUPTED));
    });
}

/// Sends what the libraries log to stderr: warnings, or everything down to debug.
pub(crate) fn log_to_stderr(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::WARN };
    // It calls every refusal an error, and would print signatures and keys with the requests.
    let writer = std::io::stderr.with_filter(|event| !event.target().starts_with("s3s"));
    tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_ansi(false).init();
}

/// Says that something failed, and why, down to the first cause.
pub(crate) fn failure(error: &(dyn std::error::Error + 'static), code: u8) -> ExitCode {
    anstream::eprintln!("{RED}error{RED:#}: {}", selvedge_base::on_lines(error));
    ExitCode::from(code)
}

/// Shows what is wrong with a project's files; each diagnostic brings its own "error:" or "warning:".
pub(crate) fn diagnostics(error: &LoadError) {
    anstream::eprintln!("{}", error.render(true));
}

/// Notices that may wait to be printed. A terminal that does not keep up must not hold up requests.
const WAITING: usize = 16 * 1024;

/// How long what is said may wait for company.
const PAUSE: Duration = Duration::from_millis(10);

/// Prints notices in order, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Console {
    notices: SyncSender<Option<Notice>>,
    /// Request lines that were left out because the terminal did not keep up.
    left_out: Arc<AtomicU64>,
    printer: JoinHandle<()>,
}

impl Console {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (notices, waiting) = sync_channel(WAITING);
        let left_out = Arc::new(AtomicU64::new(0));
        let printer = std::thread::Builder::new().name("console".to_owned()).spawn({
            let left_out = Arc::clone(&left_out);
            move || print_all(&waiting, &left_out)
        })?;
        Ok(Self { notices, left_out, printer })
    }

    /// Prints what is still waiting.
    pub(crate) fn finish(&self) {
        // The printer is there until it is told to end, here.
        if self.notices.send(None).is_ok() {
            while !self.printer.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Report for Console {
    fn notice(&self, notice: Notice) {
        if matches!(notice, Notice::Request { .. }) {
            if self.notices.try_send(Some(notice)).is_err() {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            // After `finish` nobody listens any more, and nothing is left to say.
            let _ = self.notices.send(Some(notice));
        }
    }
}

/// Prints until told to end. What is waiting goes out together, and then nothing for a moment: under load, to
/// wake this thread for every line would cost more than the request it is about.
fn print_all(waiting: &Receiver<Option<Notice>>, left_out: &AtomicU64) {
    let mut talk = BufWriter::new(anstream::stderr());
    let mut words = BufWriter::new(anstream::stdout());
    while let Ok(Some(first)) = waiting.recv() {
        let mut next = Some(Some(first));
        let mut ends = false;
        while let Some(notice) = next {
            match notice {
                // A closed terminal is no reason to stop serving.
                Some(notice) => drop(print(notice, &mut talk, &mut words)),
                None => ends = true,
            }
            next = waiting.try_recv().ok();
        }
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(talk, "{DIM}({missing} more requests){DIM:#}");
        }
        let _ = words.flush();
        let _ = talk.flush();
        if ends {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

fn print(notice: Notice, talk: &mut impl Write, words: &mut impl Write) -> std::io::Result<()> {
    match notice {
        Notice::Diagnostic(diagnostic) => writeln!(talk, "{}", diagnostic.render(true)),
        Notice::Warning(text) => label(talk, YELLOW, "warning", text),
        Notice::Installed(root) => writeln!(talk, "Installed the dependencies of {}", root.display()),
        Notice::Migrated { database, files } => {
            writeln!(talk, "Migrated D1 database {BOLD}{database}{BOLD:#}: {}", files.join(", "))
        }
        Notice::ObjectsMoved { unique_key, to } => {
            writeln!(talk, "Moved the deleted objects {unique_key} to {}", to.display())
        }
        Notice::Ready { url, took } => {
            writeln!(talk, "{GREEN}Ready{GREEN:#} on {BOLD}{url}{BOLD:#} in {}", short(took))
        }
        Notice::ReadyAt { colo, url } => writeln!(talk, "{colo} on {BOLD}{url}{BOLD:#}"),
        Notice::S3 { url, access_key_id, secret_access_key } => {
            writeln!(talk, "S3 on {BOLD}{url}{BOLD:#}, key {access_key_id}, secret {secret_access_key}")
        }
        Notice::Reloaded { took } => writeln!(talk, "{GREEN}Reloaded{GREEN:#} in {}", short(took)),
        Notice::Failed { what, text, still_serving, url } => failed(talk, what, &text, still_serving, &url),
        Notice::RuntimeDied { how, restart_in } => {
            let text = format!("the runtime died ({how}); starting it again in {}", short(restart_in));
            label(talk, RED, "error", text)
        }
        Notice::RuntimeRestarted => writeln!(talk, "The runtime runs again"),
        Notice::Console { worker, level, message } => {
            let style = style_of(level);
            if let Some(worker) = worker {
                write!(words, "{DIM}[{worker}]{DIM:#} ")?;
            }
            writeln!(words, "{style}{message}{style:#}")
        }
        Notice::Exception(text) => label(talk, RED, "uncaught exception", text),
        Notice::Runtime { level, message } => label(talk, style_of(level), "runtime", message),
        Notice::Request { method, target, status: Some(status), duration } => {
            let style = if status >= 500 { RED } else { DIM };
            writeln!(talk, "{style}{method} {target} {status} {}{style:#}", short(duration))
        }
        Notice::Request { method, target, status: None, duration } => {
            writeln!(talk, "{DIM}{method} {target} (the client left) {}{DIM:#}", short(duration))
        }
        Notice::Stopping => writeln!(talk, "Stopping"),
    }
}

fn label(talk: &mut impl Write, style: Style, what: &str, text: impl Display) -> std::io::Result<()> {
    writeln!(talk, "{style}{what}{style:#}: {text}")
}

fn failed(
    talk: &mut impl Write,
    what: Failed,
    text: &str,
    still_serving: bool,
    url: &str,
) -> std::io::Result<()> {
    let what = match what {
        Failed::Config => "the project's config has mistakes",
        Failed::Build => "the build failed",
        Failed::Start => "the Worker did not start",
    };
    label(talk, RED, "error", format!("{what}\n{}", text.trim_end()))?;
    if still_serving {
        writeln!(talk, "The version before still serves.")
    } else {
        writeln!(talk, "Waiting for a change; {url} shows the mistake.")
    }
}

fn style_of(level: Level) -> Style {
    match level {
        Level::Error => RED,
        Level::Warn => YELLOW,
        Level::Debug => DIM,
        Level::Info | Level::Log => Style::new(),
    }
}

/// A duration for people: `0.4 ms`, `38 ms`, `2.1 s`.
fn short(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        assert_eq!(short(Duration::from_micros(430)), "0.4 ms");
        assert_eq!(short(Duration::from_millis(38)), "38 ms");
        assert_eq!(short(Duration::from_millis(2_120)), "2.1 s");
    }
}
