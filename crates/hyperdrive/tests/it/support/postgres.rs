use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, Weak};

use super::{Wire, command, first_of, free_port, server_directory, server_user};

/// A PostgreSQL server. Its superuser is `postgres`, whom it trusts.
pub(crate) struct Postgres {
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    directory: tempfile::TempDir,
    pub(crate) port: u16,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server that tests share while one of them runs; `None` when PostgreSQL is not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    fn start() -> Option<Self> {
        let versions = ["18", "17", "16", "15", "14", "13"];
        let Some(binaries) =
            first_of(versions.map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin"))))
        else {
            super::skipped("postgresql");
            return None;
        };
        let user = server_user("postgres");
        let directory = server_directory(user);
        let data = directory.path().join("data");
        let made = command(&binaries.join("initdb"), user)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        let port = free_port();
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=120",
            directory.path().display()
        );
        let started = command(&binaries.join("pg_ctl"), user)
            .args(["-w", "-o", &options, "-D"])
            .arg(&data)
            .arg("-l")
            .arg(directory.path().join("log"))
            .arg("start")
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(started.success(), "the server did not start");
        Some(Self { binaries, user, directory, port })
    }

    /// A new session of the superuser.
    pub(crate) fn connect(&self, database: &str) -> Wire {
        Wire::connect(self.port, "postgres", database)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = command(&self.binaries.join("pg_ctl"), self.user)
            .args(["-m", "immediate", "-D"])
            .arg(self.directory.path().join("data"))
            .arg("stop")
            .stdout(Stdio::null())
            .status();
    }
}
