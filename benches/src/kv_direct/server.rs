//! The contestants, each on one core with all its threads.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use selvedge_base::SystemClock;
use selvedge_bindings::{Registry, Resource};
use selvedge_kv::{Limits, Store};

use super::protocol::{Protocol, RESOURCE, TOKEN};

/// The engine and its socket as a node has them, and nothing else. Runs until it is killed.
pub(crate) fn serve(directory: &Path, socket: &Path) -> Result<()> {
    // As many runtime threads as the node takes on a machine with two cores.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(directory, SystemClock::shared(), Limits::default())?;
        let registry = Arc::new(Registry::new(TOKEN.to_owned()));
        registry.insert(RESOURCE.to_owned(), Resource::Kv(store.namespace("bench").await?));
        let listener = tokio::net::UnixListener::bind(socket)?;
        tokio::spawn(selvedge_bindings::serve(listener, registry)).await?;
        Ok(())
    })
}

/// One that answers. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
    pub(crate) protocol: Protocol,
}

impl Server {
    pub(crate) fn start(protocol: Protocol, directory: &Path) -> Result<Self> {
        let socket = directory.join("socket");
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        match protocol {
            Protocol::Binding => {
                command.arg(std::env::current_exe()?).arg("kv-serve");
                command.arg(directory.join("kv")).arg(&socket);
            }
            Protocol::Redis => {
                command.args(["redis-server", "--port", "0", "--save", "", "--daemonize", "no"]);
                command.args([
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always",
                    "--auto-aof-rewrite-percentage",
                    "0",
                ]);
                command.arg("--dir").arg(directory).arg("--unixsocket").arg(&socket);
            }
        }
        let log = std::fs::File::create(directory.join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.context("cannot start taskset (util-linux) with a server")?;
        let mut server = Self { child, socket, protocol };
        for _ in 0..600 {
            if UnixStream::connect(&server.socket).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}: {}", std::fs::read_to_string(directory.join("log"))?);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("nothing listens on {}", server.socket.display())
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.protocol {
            Protocol::Binding => "selvedge KV",
            Protocol::Redis => "Redis 7",
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
