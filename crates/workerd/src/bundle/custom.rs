//! The custom build: a command of the user's that runs before bundling.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use selvedge_project::BuildCommand;

use super::BundleError;
use crate::command::command;

/// How many lines of a failed command's output are shown.
const LINES: usize = 40;

/// A command that ran.
pub(super) struct Ran {
    started: SystemTime,
}

/// Runs the command in a shell, as wrangler does.
pub(super) async fn run(custom: &BuildCommand, scratch: &Path) -> Result<Ran, BundleError> {
    // The file system's clock is the one that its files are compared with.
    let marker = scratch.join("started");
    let started = std::fs::write(&marker, "")
        .and_then(|()| marker.metadata())
        .and_then(|found| found.modified())
        .map_err(|source| BundleError::Scratch { path: marker.clone(), source })?;
    let shell = Path::new("sh");
    let output = command(shell)
        .arg("-c")
        .arg(&custom.command)
        .current_dir(&custom.cwd)
        .stdout(Stdio::piped())
        .output()
        .await
        .map_err(|source| BundleError::Start {
            program: format!("sh in {}", custom.cwd.display()).into(),
            source,
        })?;
    let mut written = String::from_utf8_lossy(&output.stdout).into_owned();
    written.push_str(&String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        tracing::debug!(command = %custom.command, output = %written, "the build command ended");
        return Ok(Ran { started });
    }
    let lines: Vec<&str> = written.lines().collect();
    Err(BundleError::Command {
        command: custom.command.clone(),
        status: output.status,
        output: lines[lines.len().saturating_sub(LINES)..].join("\n"),
        watch: custom.watch.clone(),
    })
}

impl Ran {
    /// Drops the files that the command wrote: watching them would start the command for ever.
    pub(super) fn retain_sources(&self, inputs: &mut Vec<PathBuf>) {
        inputs.retain(|path| {
            !path.metadata().and_then(|found| found.modified()).is_ok_and(|modified| modified >= self.started)
        });
    }
}
