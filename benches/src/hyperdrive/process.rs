//! Processes that end with the measurement, some of them as users that servers accept.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Whom a server runs as. Databases refuse to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The first of `names` that exists; `None` for one who is not root and stays who they are.
    pub(super) fn first_of(names: &[&str]) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let found = names.iter().find_map(|name| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        });
        found.map(Some).with_context(|| format!("none of the users {names:?} exists"))
    }
}

/// A temporary directory of the user's.
pub(super) fn directory(user: Option<User>) -> Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("selvedge-bench-").tempdir()?;
    if let Some(user) = user {
        std::os::unix::fs::chown(directory.path(), Some(user.uid), Some(user.gid))?;
    }
    Ok(directory)
}

pub(super) fn command(program: impl AsRef<OsStr>, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs to the end; what it printed, if that was well.
pub(super) fn output(command: &mut Command) -> Result<Output> {
    let output =
        command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {said}", command.get_program().display(), output.status);
    }
    Ok(output)
}

/// A server that listens. Stopped when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts `command`, which listens on `address`; its words go to `log`.
    pub(super) fn start(mut command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server = Self { child, address };
        for _ in 0..600 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                let said = std::fs::read_to_string(log)?;
                bail!("{} ended with {status}: {said}", command.get_program().display());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("nothing listens on {address}")
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT ends a PostgreSQL server without waiting for its clients, and with its children.
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        }
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Where a program is: on the path, or where Debian hides it.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.extend(["/usr/sbin", "/usr/libexec"].map(PathBuf::from));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(name)).find(|path| path.exists())
}

/// As [`find`], and says what is left out without it.
pub(super) fn find_or_say(name: &str, what: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        eprintln!("{name} is not installed: {what} is left out");
    }
    found
}
