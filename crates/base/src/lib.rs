//! What every other crate stands on: time, randomness and names.
//!
//! Nothing here does I/O beyond asking the operating system for the time and for random bytes, and nothing
//! here knows what a key, a database or a bucket is.

mod clock;
mod name;

pub use clock::{Clock, ManualClock, Millis, SharedClock, SystemClock};
pub use name::{path_component, random_hex};
