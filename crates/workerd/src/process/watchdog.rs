//! Sees to it that no workerd outlives us, however we end.
//!
//! The kernel can tell a child of its parent's death, but only the child itself may ask for it, between
//! `fork` and `exec`, which takes `unsafe` code. So a shell watches instead: it reads a pipe whose other end
//! only we hold, and when that end closes without a word, it kills workerd. The moment between the start of
//! workerd and the start of its watchdog is what [`kill_leftover`] is for.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin};

use crate::command::command;

/// Deaf to what a terminal or a service manager sends to all processes alike: it has to be the last to go.
const SCRIPT: &str = r#"trap "" HUP INT TERM; read -r _ || kill -9 "$1""#;

#[derive(Debug)]
pub(super) struct Watchdog {
    // In this order: killed first, so that a closing pipe cannot set it off.
    child: Child,
    pipe: ChildStdin,
}

impl Watchdog {
    pub(super) fn over(pid: Pid) -> io::Result<Self> {
        let mut child = command(Path::new("/bin/sh"))
            .args(["-c", SCRIPT, "sh", &pid.to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = child.stdin.take().ok_or_else(|| io::Error::other("the watchdog has no pipe"))?;
        Ok(Self { child, pipe })
    }

    /// Ends the watch. The process it was about must be gone already.
    pub(super) async fn release(mut self) {
        // When it does not listen any more it cannot bite either.
        let _ = self.pipe.write_all(b"\n").await;
        let _ = self.child.wait().await;
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(10);
const GIVE_UP_AFTER: u32 = 500;

/// Kills every workerd whose config is below `directory`, and returns when they are gone: at most 5 seconds
/// later. For the start after an end that left no time to stop them.
///
/// It looks at the command lines of all processes, so there is no file to lose and no stale process id to
/// mistake for ours.
pub async fn kill_leftover(directory: &Path) {
    let mut left: Vec<Pid> = processes().filter(|pid| serves_from(*pid, directory)).collect();
    for pid in &left {
        tracing::warn!(pid = pid.as_raw_nonzero().get(), "killing a workerd that an earlier run left");
        if let Err(error) = kill_process(*pid, Signal::KILL) {
            tracing::warn!(%error, "it was not killed");
        }
    }
    for _ in 0..GIVE_UP_AFTER {
        left.retain(|pid| serves_from(*pid, directory));
        if left.is_empty() {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// A process that ended has no command line, even when nobody has asked for its status yet.
fn serves_from(pid: Pid, directory: &Path) -> bool {
    let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    let Ok(line) = std::fs::read(path) else { return false };
    let arguments: Vec<&str> = line.split(|byte| *byte == 0).filter_map(|a| str::from_utf8(a).ok()).collect();
    arguments.contains(&"serve")
        && arguments.iter().any(|argument| Path::new(argument).starts_with(directory))
}
