use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, Weak};

use super::certificates::Certificates;
use super::mysql_wire::MySqlWire;
use super::{command, first_of, free_port, server_directory, server_user, skipped};

/// A MariaDB server with a database `shop` and a user `app`, whose password is `pw`.
pub(crate) struct MariaDb {
    child: Mutex<Child>,
    /// What it was started with, to start it again.
    start: Box<dyn Fn() -> Child + Send + Sync>,
    _directory: tempfile::TempDir,
    pub(crate) port: u16,
}

static SHARED: Mutex<Weak<MariaDb>> = Mutex::new(Weak::new());

impl MariaDb {
    /// The server that tests share while one of them runs; `None` when MariaDB is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start(&[])?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// One with a certificate for `localhost`, and the directory where its authority's is: `ca.crt`, and that of
    /// another, `other-ca.crt`.
    pub(crate) fn encrypted() -> Option<(Self, tempfile::TempDir)> {
        let user = server_user("mysql");
        let directory = server_directory(user);
        Certificates::make().write(directory.path(), directory.path(), user);
        let option = |name, file| format!("--{name}={}", directory.path().join(file).display());
        let options =
            [option("ssl-ca", "ca.crt"), option("ssl-cert", "server.crt"), option("ssl-key", "server.key")];
        let server = Self::start(&options.each_ref().map(String::as_str))?;
        Some((server, directory))
    }

    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let daemon = first_of(["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].map(PathBuf::from));
        let install = first_of(["/usr/bin/mariadb-install-db"].map(PathBuf::from));
        let (Some(daemon), Some(install)) = (daemon, install) else {
            skipped("mariadb-server");
            return None;
        };
        let user = server_user("mysql");
        let directory = server_directory(user);
        let data = format!("--datadir={}", directory.path().join("data").display());
        let made = command(&install, user)
            .args(["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg("--skip-name-resolve")
            // A MariaDB that starts removes temporary tables of whoever else has them there.
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "mariadb-install-db failed");
        let port = free_port();
        let path = directory.path().to_owned();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let start = move || {
            let log = std::fs::File::create(path.join("log")).unwrap();
            let mut child = command(&daemon, user)
                .args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-name-resolve"])
                .arg(format!("--port={port}"))
                .arg(format!("--socket={}", path.join("s").display()))
                .arg(format!("--pid-file={}", path.join("pid").display()))
                .args(["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--max-connections=400"])
                .args([
                    "--innodb-buffer-pool-size=32M",
                    "--innodb-log-file-size=8M",
                    "--max-allowed-packet=64M",
                ])
                .args(&options)
                .env("TMPDIR", &path)
                .current_dir(&path)
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
                assert!(child.try_wait().unwrap().is_none(), "the server ended");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            child
        };
        let child = Mutex::new(start());
        let server = Self { child, start: Box::new(start), _directory: directory, port };
        let mut root = MySqlWire::connect(port, "root", "", "").unwrap();
        for sql in
            ["CREATE DATABASE shop", "CREATE USER app@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON *.* TO app@'%'"]
        {
            root.ok(sql);
        }
        Some(server)
    }

    /// Kills the server and starts it again.
    pub(crate) fn restart(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *child = (self.start)();
    }

    /// A session of `app`, without a pool between.
    pub(crate) fn direct(&self) -> MySqlWire {
        MySqlWire::connect(self.port, "app", "pw", "shop").unwrap()
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
