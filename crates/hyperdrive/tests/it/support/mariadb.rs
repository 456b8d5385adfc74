use std::sync::{Arc, Mutex, Weak};

use selvedge_databases::{DATABASE, PASSWORD, USER, User, directory};

use super::certificates::Certificates;
use super::mysql_wire::MySqlWire;

/// A MariaDB server with a database `shop` and a user `app`, whose password is `pw`.
pub(crate) struct MariaDb {
    server: selvedge_databases::MariaDb,
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
        let user = User::named("mysql").unwrap();
        let directory = directory(user).unwrap();
        Certificates::make().write(directory.path(), directory.path(), user);
        let option = |name, file| format!("--{name}={}", directory.path().join(file).display());
        let options =
            [option("ssl-ca", "ca.crt"), option("ssl-cert", "server.crt"), option("ssl-key", "server.key")];
        let server = Self::start(&options.each_ref().map(String::as_str))?;
        Some((server, directory))
    }

    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let small = [
            "--max-connections=400",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=8M",
            "--max-allowed-packet=64M",
        ];
        let server = selvedge_databases::MariaDb::start(&[&small, options].concat()).unwrap()?;
        Some(Self { port: server.port, server })
    }

    /// Kills the server and starts it again.
    pub(crate) fn restart(&self) {
        self.server.restart().unwrap();
    }

    /// A session of `app`, without a pool between.
    pub(crate) fn direct(&self) -> MySqlWire {
        MySqlWire::connect(self.port, USER, PASSWORD, DATABASE).unwrap()
    }
}
