//! What is wrong with an app before workerd sees it.

use std::path::PathBuf;

/// Why no config was written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("an app needs at least one Worker")]
    NoWorkers,
    #[error("two Workers of this app are named \"{name}\": give each its own `name`")]
    DuplicateWorker { name: String },
    #[error("Worker \"{worker}\" has neither a script nor static assets: set `main` or `assets.directory`")]
    NothingToRun { worker: String },
    #[error("the path {} is not valid UTF-8, which workerd needs: use another directory", path.display())]
    PathNotText { path: PathBuf },
    #[error(
        "the path of the socket {} is longer than the {limit} bytes the system allows: use a directory with a shorter path",
        path.display()
    )]
    SocketPathTooLong { path: PathBuf, limit: usize },
    #[error("the {kind} \"{id}\" has a name that is empty or has a character other than visible ASCII")]
    ResourceName { kind: &'static str, id: String },
    #[error(
        "the Durable Object binding \"{binding}\" of Worker \"{worker}\" names the class \"{class}\", which Worker \"{script}\" does not define: list it in the `migrations` of \"{script}\""
    )]
    UnknownObjectClass { worker: String, binding: String, class: String, script: String },
    #[error(
        "the Hyperdrive binding \"{binding}\" of Worker \"{worker}\" has no database behind it: give it a connection string"
    )]
    NoHyperdriveTarget { worker: String, binding: String },
    #[error("the queue \"{queue}\" is consumed by \"{first}\" and by \"{second}\": a queue has one consumer")]
    SecondConsumer { queue: String, first: String, second: String },
    #[error(
        "the workflow \"{name}\" is the class \"{first}\" in one place and \"{second}\" in another: give each workflow its own name"
    )]
    AmbiguousWorkflow { name: String, first: String, second: String },
    #[error(
        "the flag \"d1_binding_jsrpc\" of Worker \"{worker}\" is not supported together with a D1 database: remove it from `compatibility_flags`"
    )]
    D1OverRpc { worker: String },
    #[error("the `assets` settings of Worker \"{worker}\" are not a JSON object")]
    AssetsConfig { worker: String, source: serde_json::Error },
    #[error("cannot read {}", path.display())]
    Assets { path: PathBuf, source: std::io::Error },
}
