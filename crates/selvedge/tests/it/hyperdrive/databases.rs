//! Databases in temporary directories, on free ports: user `app`, password `pw`, database `shop`.

#![expect(clippy::disallowed_methods, reason = "the databases that tests need are not workerd's business")]

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that is killed with the test.
struct Server {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT makes PostgreSQL stop its children too.
        let id = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process(id, rustix::process::Signal::INT);
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) struct Postgres {
    server: Server,
    binaries: PathBuf,
    pub(super) port: u16,
}

impl Postgres {
    /// A server whose database holds what `schema` makes; `None` when it is not installed.
    pub(super) fn start(schema: &str) -> Option<Self> {
        let versions = ["18", "17", "16", "15", "14"].map(|v| format!("/usr/lib/postgresql/{v}/bin"));
        let binaries = first_of("postgresql", &versions)?;
        let (user, directory) = place("postgres");
        let password = directory.path().join("password");
        std::fs::write(&password, "pw").unwrap();
        run(command(&binaries.join("initdb"), user)
            .args(["-U", "app", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg(directory.path().join("data")));
        let mut daemon = command(&binaries.join("postgres"), user);
        daemon.arg("-D").arg(directory.path().join("data"));
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
            daemon.args(["-c", setting]);
        }
        let server = listening(daemon, "-p", directory);
        let postgres = Self { port: server.port, server, binaries };
        // It listens before it lets anybody in.
        while !postgres.psql("postgres", "CREATE DATABASE shop").0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(postgres.psql("shop", &format!("SELECT 1;{schema}")).0);
        Some(postgres)
    }

    /// The processes that work for the pool.
    pub(super) fn backends(&self) -> BTreeSet<String> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.psql("shop", sql).1.lines().map(str::to_owned).collect()
    }

    fn psql(&self, database: &str, sql: &str) -> (bool, String) {
        let output = command(&self.binaries.join("psql"), None)
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "app",
                "-At",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .args(["-d", database, "-c", sql])
            .env("PGPASSWORD", "pw")
            .current_dir(self.server.directory.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

pub(super) struct MariaDb {
    _server: Server,
    pub(super) port: u16,
}

impl MariaDb {
    /// `None` when it is not installed.
    pub(super) fn start() -> Option<Self> {
        let places = ["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"].map(str::to_owned);
        let daemon = first_of("mariadb-server", &places)?;
        let (user, directory) = place("mysql");
        let at = directory.path().to_owned();
        let data = format!("--datadir={}", at.join("data").display());
        run(command(Path::new("/usr/bin/mariadb-install-db"), user)
            .args(["--no-defaults", &data, "--auth-root-authentication-method=normal", "--skip-test-db"])
            // A MariaDB that starts removes temporary tables of whoever else has them there.
            .env("TMPDIR", &at)
            .current_dir(&at));
        let socket = format!("--socket={}", at.join("s").display());
        let mut daemon = command(&daemon, user);
        daemon
            .args(["--no-defaults", &data, &socket, "--bind-address=127.0.0.1", "--skip-name-resolve"])
            .env("TMPDIR", &at)
            .arg(format!("--pid-file={}", at.join("pid").display()))
            .args(["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", "--max-allowed-packet=64M"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"]);
        let server = listening(daemon, "--port", directory);
        let sql = "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO app@'%'";
        run(command(Path::new("/usr/bin/mariadb"), None).args([
            "--no-defaults",
            "--user=root",
            &socket,
            "-e",
            sql,
        ]));
        Some(Self { port: server.port, _server: server })
    }
}

/// Starts a server, told its port by `option`, and waits until it listens.
fn listening(mut command: Command, option: &str, directory: tempfile::TempDir) -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let number = port.to_string();
    if option.starts_with("--") {
        command.arg(format!("{option}={number}"));
    } else {
        command.args([option, &number]);
    }
    let log = std::fs::File::create(directory.path().join("log")).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).current_dir(directory.path());
    let mut child = command.spawn().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    Server { child, port, directory }
}

#[expect(clippy::print_stderr, reason = "whoever reads the test's output should know")]
fn first_of(package: &str, places: &[String]) -> Option<PathBuf> {
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {package} is not installed (apt-get install {package})");
    }
    found
}

type User = Option<(u32, u32)>;

/// Whom the server runs as, who is not root, and a directory of theirs.
fn place(name: &str) -> (User, tempfile::TempDir) {
    let directory = tempfile::Builder::new().prefix("selvedge-db-").tempdir().unwrap();
    if !rustix::process::geteuid().is_root() {
        return (None, directory);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    let user = (numbers.next().unwrap(), numbers.next().unwrap());
    chown(directory.path(), Some(user.0), Some(user.1)).unwrap();
    (Some(user), directory)
}

fn command(program: &Path, user: User) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs to the end, which must be a good one.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
