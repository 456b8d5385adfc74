//! The one place where a process is made.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// A command for `program` that reads nothing and dies with whoever holds it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the helper that everything else starts processes through"
)]
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}
