//! What a running node has to say to the person who started it.

use std::path::PathBuf;
use std::time::Duration;

use selvedge_project::Diagnostic;

/// Somebody who listens. The CLI prints; tests collect.
pub trait Report: Send + Sync + 'static {
    fn notice(&self, notice: Notice);
}

#[derive(Debug)]
pub enum Notice {
    /// Something worth knowing about the project's files, with its place.
    Diagnostic(Diagnostic),
    /// A sentence worth a line.
    Warning(String),
    /// Dependencies were installed into this directory.
    Installed(PathBuf),
    /// Migrations were applied to a D1 database.
    Migrated {
        database: String,
        files: Vec<String>,
    },
    /// A deleted class's objects were moved out of the way.
    ObjectsMoved {
        unique_key: String,
        to: PathBuf,
    },
    /// The Worker answers at `url`.
    Ready {
        url: String,
        took: Duration,
    },
    /// What comes to `url` comes in at this location.
    ReadyAt {
        colo: String,
        url: String,
    },
    /// S3 clients reach the buckets at `url`, with a key that may do everything.
    S3 {
        url: String,
        access_key_id: String,
        secret_access_key: String,
    },
    /// A change took effect.
    Reloaded {
        took: Duration,
    },
    /// A change did not take effect. What served before still does, or else `url` shows the mistake. The text
    /// may have several lines.
    Failed {
        what: Failed,
        text: String,
        still_serving: bool,
        url: String,
    },
    /// The runtime went away by itself.
    RuntimeDied {
        how: String,
        restart_in: Duration,
    },
    RuntimeRestarted,
    /// A line of the Worker's `console`.
    Console {
        worker: Option<String>,
        level: Level,
        message: String,
    },
    /// An exception that the Worker did not catch, with its source-mapped stack.
    Exception(String),
    /// Something the runtime itself said.
    Runtime {
        level: Level,
        message: String,
    },
    /// A request that is over. No status: the client went away before there was an answer.
    Request {
        method: String,
        target: String,
        status: Option<u16>,
        duration: Duration,
    },
    Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Config,
    Build,
    Start,
}

pub use selvedge_workerd::Level;
