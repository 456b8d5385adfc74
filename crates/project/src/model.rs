//! What a project says, as typed values. Everything is resolved: environments are merged, paths are absolute,
//! defaults are filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::settings::{D1Settings, HyperdriveSettings, KvSettings, R2Settings};

/// A multi-Worker app. The first Worker is the one the front door talks to.
#[derive(Clone, Debug)]
pub struct Project {
    pub workers: Vec<Worker>,
}

#[derive(Clone, Debug, Default)]
pub struct Worker {
    pub name: String,
    /// The config file, absolute.
    pub config: PathBuf,
    /// The config file's directory, absolute.
    pub root: PathBuf,
    /// `YYYY-MM-DD`.
    pub compatibility_date: String,
    pub compatibility_flags: Vec<String>,
    /// `None` for a Worker that is only static assets.
    pub build: Option<Build>,
    /// `vars`, overlaid by `.dev.vars` or `.env`.
    pub vars: BTreeMap<String, Var>,
    pub kv_namespaces: Vec<KvNamespace>,
    pub d1_databases: Vec<D1Database>,
    pub r2_buckets: Vec<R2Bucket>,
    pub durable_objects: Vec<DurableObjectBinding>,
    pub object_lifecycle: ObjectLifecycle,
    pub hyperdrive: Vec<Hyperdrive>,
    pub services: Vec<ServiceBinding>,
    pub assets: Option<Assets>,
    pub crons: Vec<String>,
    pub queue_producers: Vec<QueueProducer>,
    pub queue_consumers: Vec<QueueConsumer>,
    pub workflows: Vec<Workflow>,
    /// Name of the `version_metadata` binding.
    pub version_metadata: Option<String>,
}

/// How the script is made from the sources.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the config, and they are independent")]
pub struct Build {
    /// The entry file, absolute.
    pub main: PathBuf,
    /// Directory that module names are relative to, absolute. Default: the directory of `main`.
    pub base_dir: PathBuf,
    pub no_bundle: bool,
    pub find_additional_modules: bool,
    pub preserve_file_names: bool,
    pub minify: bool,
    pub keep_names: bool,
    /// The user's rules first, then wrangler's defaults.
    pub rules: Vec<Rule>,
    pub alias: BTreeMap<String, String>,
    /// Identifier to the JavaScript text that replaces it.
    pub define: BTreeMap<String, String>,
    pub tsconfig: Option<PathBuf>,
    pub jsx_factory: Option<String>,
    pub jsx_fragment: Option<String>,
    /// A custom build that runs before bundling.
    pub command: Option<BuildCommand>,
}

#[derive(Clone, Debug)]
pub struct BuildCommand {
    pub command: String,
    /// Absolute.
    pub cwd: PathBuf,
    /// Absolute. Default: `<root>/src`.
    pub watch: Vec<PathBuf>,
}

/// Files matching one of `globs` are modules of type `kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub kind: ModuleKind,
    pub globs: Vec<String>,
    /// Whether later rules of the same kind apply too.
    pub fallthrough: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    EsModule,
    CommonJs,
    CompiledWasm,
    Text,
    Data,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Var {
    Text(String),
    /// JSON text of a value that is not a string.
    Json(String),
}

#[derive(Clone, Debug, Default)]
pub struct KvNamespace {
    pub binding: String,
    pub id: String,
    pub settings: KvSettings,
}

#[derive(Clone, Debug, Default)]
pub struct D1Database {
    pub binding: String,
    pub name: String,
    pub id: String,
    /// Absolute. Default: `<root>/migrations`.
    pub migrations_dir: PathBuf,
    /// Default: `d1_migrations`.
    pub migrations_table: String,
    pub settings: D1Settings,
}

#[derive(Clone, Debug, Default)]
pub struct R2Bucket {
    pub binding: String,
    pub bucket: String,
    pub settings: R2Settings,
}

#[derive(Clone, Debug)]
pub struct DurableObjectBinding {
    pub name: String,
    pub class: String,
    /// The Worker that defines the class; `None` for this one.
    pub script: Option<String>,
}

/// How the classes of a Worker came to be: the old ordered list, or the new map of states.
#[derive(Clone, Debug)]
pub enum ObjectLifecycle {
    Migrations(Vec<Migration>),
    Exports(BTreeMap<String, ObjectExport>),
}

impl Default for ObjectLifecycle {
    fn default() -> Self {
        Self::Migrations(Vec::new())
    }
}

#[derive(Clone, Debug, Default)]
pub struct Migration {
    pub tag: String,
    pub new_classes: Vec<String>,
    pub new_sqlite_classes: Vec<String>,
    /// `(from, to)`.
    pub renamed_classes: Vec<(String, String)>,
    pub deleted_classes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct ObjectExport {
    pub sqlite: bool,
    pub state: ObjectState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectState {
    Created,
    Deleted,
    RenamedTo(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hyperdrive {
    pub binding: String,
    pub id: String,
    /// From the environment (`CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_<BINDING>`, or the older
    /// `WRANGLER_HYPERDRIVE_LOCAL_CONNECTION_STRING_<BINDING>`) or `localConnectionString`.
    pub connection_string: String,
    pub settings: HyperdriveSettings,
}

#[derive(Clone, Debug)]
pub struct ServiceBinding {
    pub binding: String,
    pub service: String,
    pub entrypoint: Option<String>,
    /// JSON text for the target's `ctx.props`.
    pub props: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Assets {
    /// Absolute.
    pub directory: PathBuf,
    pub binding: Option<String>,
    /// JSON object with `html_handling`, `not_found_handling` and `run_worker_first` as far as they are set:
    /// workerd's assets service reads it as it is.
    pub config: String,
}

#[derive(Clone, Debug)]
pub struct QueueProducer {
    pub binding: String,
    pub queue: String,
}

#[derive(Clone, Debug, Default)]
pub struct QueueConsumer {
    pub queue: String,
    pub max_batch_size: Option<u32>,
    /// Seconds.
    pub max_batch_timeout: Option<u32>,
    pub max_retries: Option<u32>,
    pub dead_letter_queue: Option<String>,
    /// Seconds.
    pub retry_delay: Option<u32>,
    pub max_concurrency: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Workflow {
    pub binding: String,
    pub name: String,
    pub class: String,
    /// The Worker that defines the class; `None` for this one.
    pub script: Option<String>,
    /// Step limit, if the config sets one.
    pub steps: Option<u32>,
}
