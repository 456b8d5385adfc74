//! The databases, in temporary directories, as users that they accept.

use std::path::Path;

use anyhow::Result;

use super::process::{Server, User, command, directory, find_or_say, free_address, output};
use super::proxy::Target;

pub(super) const USER: &str = "app";
pub(super) const PASSWORD: &str = "pw";
pub(super) const DATABASE: &str = "shop";

/// PostgreSQL with pgbench's tables.
pub(super) struct Postgres {
    server: Server,
    pub(super) user: Option<User>,
    _directory: tempfile::TempDir,
}

impl Postgres {
    /// `None` when it is not installed. fsync is off: what is measured is the way to the database.
    pub(super) fn start(scale: usize) -> Result<Option<Self>> {
        let Some(initdb) = find_or_say("initdb", "PostgreSQL") else { return Ok(None) };
        let Some(daemon) = find_or_say("postgres", "PostgreSQL") else { return Ok(None) };
        let user = User::first_of(&["postgres", "nobody"])?;
        let directory = directory(user)?;
        let (data, password) = (directory.path().join("data"), directory.path().join("password"));
        std::fs::write(&password, PASSWORD)?;
        output(
            command(&initdb, user)
                .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
                .args(["--username", USER])
                .arg(format!("--pwfile={}", password.display()))
                .arg(&data)
                .current_dir(directory.path()),
        )?;
        let address = free_address()?;
        let mut postgres = command(&daemon, user);
        postgres.arg("-D").arg(&data).current_dir(directory.path());
        let port = address.port().to_string();
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=700",
            "shared_buffers=512MB",
            "fsync=off",
            "synchronous_commit=off",
            "max_wal_size=4GB",
            "unix_socket_directories=",
        ] {
            postgres.args(["-c", setting]);
        }
        postgres.args(["-p", &port]);
        let server = Server::start(postgres, address, &directory.path().join("log"))?;
        let postgres = Self { server, user, _directory: directory };
        postgres.fill(scale)?;
        Ok(Some(postgres))
    }

    fn fill(&self, scale: usize) -> Result<()> {
        let Some(psql) = find_or_say("psql", "PostgreSQL") else { return Ok(()) };
        let create = format!("CREATE DATABASE {DATABASE}");
        let target = self.target();
        // The server listens before it lets anybody in.
        let made = (0..100).find_map(|_| {
            let tried = output(target.client(&psql).args(["--dbname=postgres", "-c", &create]));
            if tried.is_err() {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            tried.ok()
        });
        anyhow::ensure!(made.is_some(), "PostgreSQL lets nobody in");
        let Some(pgbench) = find_or_say("pgbench", "PostgreSQL") else { return Ok(()) };
        output(target.client(&pgbench).args(["-i", "-q", "-s", &scale.to_string(), DATABASE]))?;
        Ok(())
    }

    pub(super) fn target(&self) -> Target {
        Target { address: self.server.address, pooler: None }
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@{}/{DATABASE}", self.server.address)
    }
}

/// MariaDB with a database and a user.
pub(super) struct MariaDb {
    server: Server,
    directory: tempfile::TempDir,
}

impl MariaDb {
    /// `None` when it is not installed.
    pub(super) fn start() -> Result<Option<Self>> {
        let Some(install) = find_or_say("mariadb-install-db", "MariaDB") else { return Ok(None) };
        let Some(daemon) = find_or_say("mariadbd", "MariaDB") else { return Ok(None) };
        let user = User::first_of(&["mysql", "nobody"])?;
        let directory = directory(user)?;
        let data = format!("--datadir={}", directory.path().join("data").display());
        output(
            command(&install, user)
                .args(["--no-defaults", &data, "--auth-root-authentication-method=normal"])
                .args(["--skip-test-db", "--skip-name-resolve"])
                .current_dir(directory.path()),
        )?;
        let address = free_address()?;
        let mut mariadb = command(&daemon, user);
        mariadb
            .args(["--no-defaults", &data, "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={}", address.port()))
            .arg(format!("--socket={}", socket(directory.path())))
            .arg(format!("--pid-file={}", directory.path().join("pid").display()))
            .args(["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--max-connections=700"])
            .arg("--innodb-buffer-pool-size=512M")
            .current_dir(directory.path());
        let server = Server::start(mariadb, address, &directory.path().join("log"))?;
        let mariadb = Self { server, directory };
        mariadb.fill()?;
        Ok(Some(mariadb))
    }

    fn fill(&self) -> Result<()> {
        let Some(client) = find_or_say("mariadb", "MariaDB") else { return Ok(()) };
        let sql = format!(
            "CREATE DATABASE {DATABASE}; CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; \
             GRANT ALL ON *.* TO {USER}@'%'"
        );
        let socket = format!("--socket={}", socket(self.directory.path()));
        output(command(&client, None).args(["--no-defaults", "--user=root", &socket, "-e", &sql]))?;
        Ok(())
    }

    pub(super) fn target(&self) -> Target {
        Target { address: self.server.address, pooler: None }
    }

    pub(super) fn url(&self) -> String {
        format!("mysql://{USER}:{PASSWORD}@{}/{DATABASE}", self.server.address)
    }
}

fn socket(directory: &Path) -> String {
    directory.join("socket").display().to_string()
}
