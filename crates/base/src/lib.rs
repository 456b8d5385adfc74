//! What every other crate stands on: time, randomness, names and the telling of errors.
//!
//! Nothing here does I/O beyond asking the operating system for the time and for random bytes, and nothing
//! here knows what a key, a database or a bucket is.

mod clock;
mod crash;
mod error;
mod name;

pub use clock::{Clock, ManualClock, Millis, SharedClock, ShiftedClock, SystemClock};
pub use crash::{CrashWatch, crash_point, watch_crash_points};
pub use error::{on_lines, on_one_line};
pub use name::{from_path_component, path_component, random_hex};
