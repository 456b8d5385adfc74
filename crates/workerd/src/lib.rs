//! Everything that starts a process: finding or installing workerd and esbuild, bundling a Worker, writing
//! workerd's config, supervising it.

mod bundle;
mod command;
mod config;
mod process;
mod tools;

pub use bundle::{Bundle, BundleError, Module, bundle};
pub use config::{
    App, AppWorker, ConfigError, HyperdriveTarget, Mode, ResourceName, Sockets, VersionMetadata,
    resource_name, write,
};
pub use process::{
    Backoff, Event, ExitStatusText, Level, Process, SourceMap, SourceMapError, StartError, StartOptions,
    kill_leftover,
};
pub use tools::{Bar, Progress, Search, Tool, ToolError, default_cache, install_dependencies, locate};
