use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, Weak};

use super::certificates::Certificates;
use super::{Wire, command, first_of, free_port, server_directory, server_user};

/// A PostgreSQL server. Its superuser is `postgres`, whom it trusts.
pub(crate) struct Postgres {
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    directory: tempfile::TempDir,
    options: String,
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

    /// Lets in, beside whom everybody trusts: `scram`, `md5` and `plain` with the password `secret`, and over TLS
    /// `tls` with the same password and `certified` with a certificate.
    fn add_roles(data: &Path, user: Option<(u32, u32)>, directory: &Path) {
        Certificates::make().write(directory, data, user);
        let access = data.join("pg_hba.conf");
        let everybody = std::fs::read_to_string(&access).unwrap();
        let roles = "host all scram 127.0.0.1/32 scram-sha-256\nhost all md5 127.0.0.1/32 md5\n\
                     host all plain 127.0.0.1/32 password\nhostssl all tls 127.0.0.1/32 scram-sha-256\n\
                     hostnossl all tls 127.0.0.1/32 reject\nhostssl all certified 127.0.0.1/32 cert\n\
                     hostnossl all certified 127.0.0.1/32 reject\n";
        std::fs::write(&access, format!("{roles}{everybody}")).unwrap();
        let settings = data.join("postgresql.conf");
        let mut text = std::fs::read_to_string(&settings).unwrap();
        text.push_str("\nssl = on\nssl_ca_file = 'ca.crt'\n");
        std::fs::write(&settings, text).unwrap();
    }

    fn create_roles(&self) {
        let mut session = self.connect("postgres");
        session.column("CREATE ROLE scram LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE plain LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE tls LOGIN PASSWORD 'secret'");
        session.column("CREATE ROLE certified LOGIN");
        session.column(
            "BEGIN; SET LOCAL password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'secret'; COMMIT",
        );
    }

    /// A file beside the data: `ca.crt`, `other-ca.crt`, `client.crt` or `client.key`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// Stops it at once, as a crash would, and starts it again.
    pub(crate) fn stop(&self) {
        self.control(&["-m", "immediate", "-w", "stop"]);
    }

    pub(crate) fn start_again(&self) {
        self.control(&["-w", "-o", &self.options, "-l", &self.file("log"), "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let status = command(&self.binaries.join("pg_ctl"), self.user)
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl {arguments:?}");
    }

    /// A server that no other test uses.
    pub(crate) fn own() -> Option<Self> {
        Self::start()
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
        Self::add_roles(&data, user, directory.path());
        let options = format!(
            "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=120 \
             -c max_prepared_transactions=5",
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
        let server = Self { binaries, user, directory, options, port };
        server.create_roles();
        Some(server)
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
            .stderr(Stdio::null())
            .status();
    }
}
