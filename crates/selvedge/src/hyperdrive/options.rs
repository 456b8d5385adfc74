//! What the pooler is told: by the command line, and by a file that it can read again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use selvedge_hyperdrive::postgres::Reset;
use selvedge_hyperdrive::{Login, Origin, PoolerSettings};
use serde::Deserialize;

use crate::tools::Misuse;

/// Pool connections to a database, and keep answers to reads, for any application.
///
/// Clients log in with the user and password of the URL, or with those given. SIGHUP reads the config file again
/// without dropping clients; SIGTERM lets open transactions finish.
#[derive(Args, Clone, Debug)]
pub(crate) struct HyperdriveArguments {
    /// The database: postgres://user:password@host:port/database
    #[arg(
        value_name = "URL",
        required_unless_present = "config",
        env = "SELVEDGE_HYPERDRIVE_URL",
        hide_env_values = true
    )]
    url: Option<String>,

    /// Read url and any of the settings below from this TOML file; the command line wins.
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    given: Given,

    /// When stopping, give open transactions this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(super) drain: u64,
}

/// What the file may say too.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    #[arg(skip)]
    url: Option<String>,

    /// Listen on this address [default: 127.0.0.1:6432]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Answer Prometheus on this address; / is a summary for people.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,

    /// The user that clients log in with, instead of the database's.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The password that clients log in with, instead of the database's.
    #[arg(long, value_name = "TEXT", env = "SELVEDGE_HYPERDRIVE_PASSWORD", hide_env_values = true)]
    password: Option<String>,

    /// How long a connection is a client's [default: transaction]
    #[arg(long, value_name = "MODE")]
    mode: Option<GivenMode>,

    /// What becomes of a PostgreSQL connection between two clients [default: when-needed]
    #[arg(long, value_name = "HOW")]
    reset: Option<GivenReset>,

    /// Connections to the database at most [default: 60]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,

    /// Clients at most [default: 100000]
    #[arg(long, value_name = "N")]
    max_clients: Option<usize>,

    /// Close a statement's connection after this many seconds; 0 never does [default: 60]
    #[arg(long, value_name = "SECONDS")]
    statement_timeout: Option<u64>,

    /// Keep answers to reads for this many seconds; 0 keeps none [default: 60]
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,

    /// After that, give an old answer for this many seconds while it is asked anew [default: 15]
    #[arg(long, value_name = "SECONDS")]
    stale_while_revalidate: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum GivenMode {
    /// For a transaction, or for a statement outside of one
    Transaction,
    /// For as long as it is connected
    Session,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum GivenReset {
    /// It is reset as far as statements show that it has to be
    WhenNeeded,
    /// DISCARD ALL
    Always,
    /// It is closed
    Close,
}

/// Everything that was said, as it counts.
pub(super) struct Options {
    pub(super) origin: Origin,
    pub(super) login: Login,
    pub(super) listen: SocketAddr,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) settings: PoolerSettings,
}

impl HyperdriveArguments {
    pub(super) fn read(&self) -> anyhow::Result<Options> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let given = &self.given;
        let url = self.url.as_ref().or(file.url.as_ref());
        let url = url.ok_or_else(|| Misuse("give the database's URL, or a config file with url".into()))?;
        let origin = Origin::parse(url).map_err(|error| Misuse(error.to_string()))?;
        let own = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let user = given.user.clone().or(file.user).unwrap_or_else(|| own(&origin.user_name()));
        let password =
            given.password.clone().or(file.password).unwrap_or_else(|| own(&origin.password_bytes()));

        let mut settings = PoolerSettings::default();
        if given.mode.or(file.mode) == Some(GivenMode::Session) {
            settings.set_session_mode();
        }
        settings.postgres.reset = match given.reset.or(file.reset) {
            None | Some(GivenReset::WhenNeeded) => Reset::WhenNeeded,
            Some(GivenReset::Always) => Reset::Always,
            Some(GivenReset::Close) => Reset::Close,
        };
        if let Some(most) = given.max_connections.or(file.max_connections) {
            settings.pool.max_connections = most.max(1);
        }
        if let Some(most) = given.max_clients.or(file.max_clients) {
            settings.postgres.max_clients = most.max(1);
        }
        if let Some(seconds) = given.statement_timeout.or(file.statement_timeout) {
            settings.pool.statement_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        }
        if let Some(seconds) = given.max_age.or(file.max_age) {
            settings.cache.enabled = seconds > 0;
            settings.cache.max_age = Duration::from_secs(seconds);
        }
        if let Some(seconds) = given.stale_while_revalidate.or(file.stale_while_revalidate) {
            settings.cache.stale_while_revalidate = Duration::from_secs(seconds);
        }
        Ok(Options {
            origin,
            login: Login::Given { user, password },
            listen: given.listen.or(file.listen).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 6432))),
            metrics: given.metrics.or(file.metrics),
            settings,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<Given> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parsed = toml_edit::de::from_str(&text);
    parsed.map_err(|error| Misuse(format!("{}: {error}", path.display()).trim_end().to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(file: &Path, url: Option<&str>) -> HyperdriveArguments {
        HyperdriveArguments {
            url: url.map(str::to_owned),
            config: Some(file.to_owned()),
            given: Given { max_connections: Some(7), ..Given::default() },
            drain: 0,
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "url = \"postgres://u:p%40@h/d\"\nmax_connections = 9\nmode = \"session\"\nreset = \"close\"\nmax_age = 0\n",
        )
        .unwrap();
        let options = arguments(file.path(), None).read().unwrap();
        assert_eq!(options.settings.pool.max_connections, 7);
        assert_eq!(options.settings.postgres.reset, Reset::Close);
        assert!(!options.settings.cache.enabled);
        let Login::Given { user, password } = options.login else { panic!("a login is given") };
        assert_eq!((user.as_str(), password.as_str()), ("u", "p@"));
    }

    #[test]
    fn a_mistake_in_the_file_is_shown_with_its_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "url = \"postgres://u:p@h/d\"\nmax_conections = 9\n").unwrap();
        let error = arguments(file.path(), None).read().err().unwrap().to_string();
        assert!(error.contains("line 2") && error.contains("max_conections"), "{error}");
        for (mistake, right) in [("reset = \"never\"", "`always`"), ("mode = \"sesion\"", "`session`")] {
            std::fs::write(file.path(), format!("url = \"postgres://u:p@h/d\"\n{mistake}\n")).unwrap();
            let error = arguments(file.path(), None).read().err().unwrap().to_string();
            assert!(["line 2", mistake, right].iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
