//! Databases of our own: on free ports, in temporary directories, gone with the last test that uses them.

mod certificates;
pub(crate) mod pooler;
mod postgres;
mod wire;

mod mariadb;
mod mysql_wire;

pub(crate) use pooler::Pooler;

pub(crate) use mariadb::MariaDb;
pub(crate) use mysql_wire::{MySqlReply, MySqlWire, execution};
pub(crate) use postgres::Postgres;
pub(crate) use wire::{Reply, Wire, message};

use std::path::{Path, PathBuf};

/// Says that a test did not run.
#[expect(clippy::print_stderr, reason = "whoever reads the test's output should know")]
pub(crate) fn skipped(what: &str) {
    eprintln!("SKIPPED: {what} is not installed (apt-get install {what})");
}

/// The user that a server runs as: itself, or when we are root, one that servers accept.
fn server_user(name: &str) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// A temporary directory that the server's user may use.
fn server_directory(user: Option<(u32, u32)>) -> tempfile::TempDir {
    let directory = tempfile::Builder::new().prefix("selvedge-db-").tempdir().unwrap();
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(directory.path(), Some(uid), Some(gid)).unwrap();
    }
    directory
}

#[expect(clippy::disallowed_methods, reason = "the databases that tests need are not workerd's business")]
fn command(program: &Path, user: Option<(u32, u32)>) -> std::process::Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = std::process::Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// The first of the files that exists.
fn first_of(candidates: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.into_iter().find(|path| path.exists())
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
