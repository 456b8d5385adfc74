//! The contestants: each is started here, on the same Worker, with a fresh directory for its data.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use selvedge_databases::free_port;
use selvedge_workerd::{Search, Tool};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::load;
use crate::workload::request_bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Contestant {
    /// This project.
    Selvedge,
    /// Bare `workerd serve wrangler.jsonc --experimental`.
    Workerd,
    /// `wrangler dev`, the simulator.
    Wrangler,
}

impl Contestant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Selvedge => "selvedge dev",
            Self::Workerd => "workerd serve",
            Self::Wrangler => "wrangler dev",
        }
    }

    /// What an answered write has survived.
    pub(crate) fn durability(self) -> &'static str {
        match self {
            Self::Selvedge => "fsync before the answer, shared by concurrent writes",
            Self::Workerd => "fsync before the answer, one per commit",
            Self::Wrangler => {
                "SQLite WAL of the simulator's Durable Object, fsync per commit; R2 bodies not fsynced"
            }
        }
    }

    pub(crate) fn has_r2(self) -> bool {
        self != Self::Workerd
    }
}

/// A contestant that answers requests. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Running {
    pub(crate) fn id(&self) -> Result<u32> {
        self.child.id().context("the contestant has ended")
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(id) =
            self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
        {
            rustix::process::kill_process_group(id, rustix::process::Signal::TERM)?;
        }
        if tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Where the contestants come from.
pub(crate) struct Kit {
    pub(crate) selvedge: PathBuf,
    /// The peers' pinned versions, as a package.json and its lock file.
    pub(crate) peers: PathBuf,
    /// Where they are installed: a directory with `node_modules` in it.
    pub(crate) npm: PathBuf,
    pub(crate) worker: PathBuf,
    /// For the contestants alone.
    pub(crate) environment: Vec<(String, String)>,
    /// What it answers as soon as it runs.
    pub(crate) alive: &'static str,
    /// What is asked for once, before anything is measured.
    pub(crate) ready: &'static str,
}

impl Kit {
    /// Installs the peers, once, into `npm`.
    pub(crate) fn install_peers(&self) -> Result<()> {
        if self.npm.join("node_modules/.bin/wrangler").exists() {
            return Ok(());
        }
        eprintln!("Installing the peers into {}", self.npm.display());
        fs::create_dir_all(&self.npm)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(self.peers.join(file), self.npm.join(file))?;
        }
        let status = std::process::Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&self.npm)
            .status()
            .context("cannot run npm")?;
        if status.success() { Ok(()) } else { bail!("npm ci failed") }
    }

    pub(crate) async fn start(&self, contestant: Contestant) -> Result<Running> {
        let directory = tempfile::tempdir()?;
        copy(&self.worker, directory.path())?;
        let port = free_port()?;
        let mut command = match contestant {
            Contestant::Selvedge => {
                let mut command = Command::new(&self.selvedge);
                command.args(["dev", ".", "--port", &port.to_string()]);
                command
            }
            Contestant::Workerd => {
                let config = directory.path().join("wrangler.no-r2.jsonc");
                fs::rename(config, directory.path().join("wrangler.jsonc"))?;
                let mut command = Command::new(tool(Tool::Workerd).await?);
                command.args(["serve", "wrangler.jsonc", "--experimental"]);
                command.args(["--socket-addr", &format!("http=127.0.0.1:{port}")]);
                command.env("WORKERD_ESBUILD", tool(Tool::Esbuild).await?);
                command
            }
            Contestant::Wrangler => {
                let mut command = Command::new(self.npm.join("node_modules/.bin/wrangler"));
                command.args([
                    "dev",
                    "--ip",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--log-level",
                    "error",
                ]);
                command.args(["--show-interactive-dev-session=false"]);
                command.env("WRANGLER_SEND_METRICS", "false").env("CI", "1");
                command
            }
        };
        let log = fs::File::create(directory.path().join("contestant.log"))?;
        let child = command
            .current_dir(directory.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", contestant.name()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut running = Running { child, address, directory };
        for _ in 0..600 {
            if get(address, self.alive).await.is_ok() {
                let ready = get(address, self.ready).await;
                ready.with_context(|| format!("{}: {}", contestant.name(), self.ready))?;
                return Ok(running);
            }
            if let Some(status) = running.child.try_wait()? {
                let log = fs::read_to_string(running.directory.path().join("contestant.log"))?;
                bail!("{} ended with {status}:\n{log}", contestant.name());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} did not answer within a minute", contestant.name())
    }
}

/// One request on a connection of its own; anything but a 2xx is an error.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let (status, _) = load::exchange(&mut stream, &request_bytes("GET", path, &[]), &mut Vec::new()).await?;
    if (200..300).contains(&status) { Ok(()) } else { bail!("{path} answered {status}") }
}

/// The very binary that Selvedge uses.
async fn tool(tool: Tool) -> Result<PathBuf> {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let cache = selvedge_workerd::default_cache(&environment);
    let search = Search { project: None, cache: &cache, environment: &environment };
    Ok(selvedge_workerd::locate(tool, &search, &selvedge_workerd::Bar::default()).await?)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if [".selvedge", ".wrangler", "node_modules"].iter().any(|skip| name == *skip) {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
