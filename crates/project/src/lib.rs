//! A project's wrangler config as typed values, with the place of every mistake.
//!
//! Reads `wrangler.toml`, `wrangler.json` and `wrangler.jsonc` (and the `.dev.vars` and `.env` files beside
//! them) the way wrangler 4.86 does for local development: the same search, the same inheritance between the
//! top level and `[env.NAME]`, the same defaults. It knows which keys Selvedge acts on and says so of every
//! other. It does not bundle, does not look into the Worker's sources, and starts nothing.
//!
//! Both formats become one tree of values that know their place; everything after that is the same
//! for both. Only what the chosen environment uses is checked in depth; unknown keys are reported everywhere.

mod assets;
mod bindings;
mod build;
mod compatibility;
mod cross;
mod diagnostic;
mod discover;
mod dotenv;
mod environment;
mod extract;
mod json;
mod keys;
mod load;
mod model;
mod names;
mod node;
mod objects;
mod paths;
mod queues;
mod settings;
mod toml;
mod vars;
mod worker;

pub use compatibility::MAX_COMPATIBILITY_DATE;
pub use diagnostic::{Diagnostic, Label, Level, Place};
pub use load::{LoadError, LoadOptions, Loaded, load};
pub use model::*;
pub use settings::{Consistency, D1Settings, HyperdriveSettings, KvSettings, R2Settings};
