//! A project's wrangler config as typed values, with the place of every mistake.

mod model;

pub use model::*;
