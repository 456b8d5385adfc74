//! The contestants, each in a fresh directory.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use selvedge_databases::free_port;
use tempfile::TempDir;

use super::client::{Client, Endpoint};
use super::request::{Credentials, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// `selvedge s3`.
    Selvedge,
    /// `weed server -s3`, told to fsync what it writes to its volumes.
    Seaweed,
    /// nginx with `sendfile`: what a large read can be.
    Nginx,
    /// `dd conv=fsync`: what a large write can be.
    Dd,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Selvedge => "selvedge s3",
            Self::Seaweed => "SeaweedFS",
            Self::Nginx => "nginx, sendfile",
            Self::Dd => "dd conv=fsync",
        }
    }

    /// What an answered write has survived.
    pub(crate) fn durability(self) -> &'static str {
        match self {
            Self::Selvedge => "fsync of bytes and metadata before the answer",
            Self::Seaweed => "fsync of the bytes (fs.configure -fsync); metadata (LevelDB) is not synced",
            Self::Nginx => "only reads",
            Self::Dd => "one fsync at the end",
        }
    }
}

/// Where the contestants come from and go to.
pub(crate) struct Kit {
    pub(crate) selvedge: PathBuf,
    pub(crate) weed: PathBuf,
    pub(crate) directory: PathBuf,
}

/// A contestant that answers. Killed when dropped, and its data removed.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) endpoint: Endpoint,
    child: Option<Child>,
    weed: Option<Weed>,
    directory: TempDir,
}

/// SeaweedFS's shell and whom it speaks with, as `host:port.grpc-port`.
struct Weed {
    program: PathBuf,
    master: String,
    filer: String,
}

impl Kit {
    pub(crate) async fn start(&self, peer: Peer) -> Result<Running> {
        let directory = tempfile::tempdir_in(&self.directory)?;
        let home = directory.path();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut endpoint = Endpoint { address, credentials: None };
        let (mut weed, mut command) = (None, None);
        match peer {
            Peer::Selvedge => {
                let mut selvedge = Command::new(&self.selvedge);
                selvedge.args(["s3", "--json", "--listen", &address.to_string()]).arg(home.join("data"));
                command = Some(selvedge);
            }
            Peer::Seaweed => {
                let key = Credentials { id: "b".repeat(20), secret: "s".repeat(40) };
                let (master, filer) = ([free_port()?, free_port()?], [free_port()?, free_port()?]);
                command = Some(self.seaweed(home, &key, address.port(), master, filer)?);
                let address = |[port, grpc]: [u16; 2]| format!("127.0.0.1:{port}.{grpc}");
                let program = self.weed.clone();
                weed = Some(Weed { program, master: address(master), filer: address(filer) });
                endpoint.credentials = Some(key);
            }
            Peer::Nginx => command = Some(nginx(home, address.port())?),
            Peer::Dd => {}
        }
        let log = home.join("log");
        let child = match command {
            Some(mut command) => {
                command
                    .stdin(Stdio::null())
                    .stdout(File::create(&log)?)
                    .stderr(File::create(home.join("talk"))?);
                Some(command.spawn().with_context(|| format!("cannot start {}", peer.name()))?)
            }
            None => None,
        };
        let mut running = Running { peer, endpoint, child, weed, directory };
        if peer != Peer::Dd {
            running.wait_until_up(&log).await.with_context(|| format!("{} is not up", peer.name()))?;
        }
        Ok(running)
    }

    fn seaweed(
        &self,
        home: &Path,
        key: &Credentials,
        s3: u16,
        master: [u16; 2],
        filer: [u16; 2],
    ) -> Result<Command> {
        let config = serde_json::json!({ "identities": [{
            "name": "bench",
            "credentials": [{ "accessKey": key.id, "secretKey": key.secret }],
            "actions": ["Admin", "Read", "Write", "List"],
        }] });
        fs::write(home.join("s3.json"), config.to_string())?;
        fs::create_dir(home.join("data"))?;
        let mut command = Command::new(&self.weed);
        command.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-metricsPort=0"]);
        command.args(["-volume.max=200", "-master.volumeSizeLimitMB=1024"]);
        command.arg(format!("-dir={}", home.join("data").display()));
        command.arg(format!("-s3.config={}", home.join("s3.json").display()));
        let (volume, s3) = ([free_port()?, free_port()?], [s3, free_port()?]);
        for (name, [port, grpc]) in [("master", master), ("filer", filer), ("volume", volume), ("s3", s3)] {
            command.arg(format!("-{name}.port={port}")).arg(format!("-{name}.port.grpc={grpc}"));
        }
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        Ok(command)
    }
}

fn nginx(home: &Path, port: u16) -> Result<Command> {
    let config = format!(
        "daemon off; worker_processes 2; error_log stderr; pid {0}/pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; root {0}/data; client_body_temp_path {0};\n\
         server {{ listen 127.0.0.1:{port}; }} }}\n",
        home.display()
    );
    fs::create_dir_all(home.join("data/bench"))?;
    // Its workers are another user's.
    for readable in [home, &home.join("data"), &home.join("data/bench")] {
        fs::set_permissions(readable, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    fs::write(home.join("nginx.conf"), config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(home).arg("-c").arg(home.join("nginx.conf"));
    Ok(command)
}

impl Running {
    /// Waits for the first answer, and makes the bucket `bench`.
    async fn wait_until_up(&mut self, log: &Path) -> Result<()> {
        for _ in 0..300 {
            if self.peer == Peer::Selvedge && self.endpoint.credentials.is_none() {
                self.endpoint.credentials = introduced(&fs::read_to_string(log)?);
            }
            let request = match self.peer {
                Peer::Nginx => Request::new("OPTIONS", "/"),
                _ => Request::new("PUT", "/bench"),
            };
            let patience = Duration::from_secs(5);
            match tokio::time::timeout(patience, Client::new(&self.endpoint).ask(&request)).await {
                Ok(Ok(good)) if good || self.peer == Peer::Nginx => return Ok(()),
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().transpose()) {
                bail!(
                    "it ended with {}: {}",
                    status?,
                    fs::read_to_string(self.directory.path().join("talk"))?
                );
            }
        }
        bail!("it did not answer within a minute")
    }

    /// From here on an answered write is as durable as it can be made.
    pub(crate) fn make_writes_durable(&self) -> Result<()> {
        let Some(weed) = &self.weed else { return Ok(()) };
        let mut shell = Command::new(&weed.program)
            .args(["shell", &format!("-master={}", weed.master), &format!("-filer={}", weed.filer)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let command = b"fs.configure -locationPrefix=/buckets/ -fsync=true -apply\nexit\n";
        shell.stdin.take().context("a pipe")?.write_all(command)?;
        let said = shell.wait_with_output()?;
        ensure!(
            String::from_utf8_lossy(&said.stdout).contains("\"fsync\":  true"),
            "SeaweedFS was not told to fsync: {}",
            String::from_utf8_lossy(&said.stdout)
        );
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Where nginx finds, and dd writes, its files.
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.path().join("data/bench")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap_or(0))
                .map(|id| rustix::process::kill_process(id, rustix::process::Signal::TERM));
            std::thread::sleep(Duration::from_millis(500));
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The key that `selvedge s3 --json` prints.
fn introduced(printed: &str) -> Option<Credentials> {
    let printed: serde_json::Value = serde_json::from_str(printed).ok()?;
    let text = |name| printed[name].as_str().map(str::to_owned);
    Some(Credentials { id: text("accessKeyId")?, secret: text("secretAccessKey")? })
}
