//! D1: databases that a Worker's SQL runs on. A request, of one statement or many, is one transaction; what
//! writes shares its fsync with other requests, and what only reads runs on connections of its own.
//!
//! A library like the other primitives: it knows SQL, Cloudflare's rules for it and the JSON that rows become,
//! but no HTTP. Where the files are opened, and what SQL a user may write, is `selvedge-sqlite`'s business.

mod bookmark;
mod check;
mod database;
mod error;
mod export;
mod import;
mod insights;
mod limits;
mod migrate;
mod plan;
mod replicas;
mod rows;
mod run;
mod settings;
mod split;
mod statement;
mod store;
mod transaction;
mod transactions;
mod travel;
mod wait;

pub use check::{Check, Lost, Problem};
pub use database::Database;
pub use error::{Error, MigrateError, QueryError, Result};
pub use export::{Export, ExportError, ExportOptions};
pub use import::Imported;
pub use insights::{Insight, InsightOrder, InsightQuery};
pub use limits::Limits;
pub use replicas::{MOST_REPLICAS, ReplicaStatus};
pub use settings::{Replication, Settings, Wait};
pub use split::{Piece, split};
pub use statement::{Answer, Format, Meta, Outcome, Param, Statement, Timings};
pub use store::Store;
pub use transaction::Transaction;
pub use transactions::Transactions;
pub use travel::{Moment, Past, Restored, Target, TravelError};
