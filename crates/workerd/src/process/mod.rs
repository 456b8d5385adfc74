//! One workerd process: starting it, reading what it says, ending it.

mod backoff;
mod child;
mod event;
mod lines;
mod output;
mod problem;
mod source_map;
mod watchdog;

pub use backoff::Backoff;
pub use child::{ExitStatusText, Process, StartOptions};
pub use event::{Event, Level};
pub use problem::StartError;
pub use source_map::{SourceMap, SourceMapError};
pub use watchdog::kill_leftover;
