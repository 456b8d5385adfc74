//! Real workerd processes, run by the configs this crate writes.

#![expect(clippy::unwrap_used, reason = "clippy knows test functions, but not the helpers they share")]

mod bindings;
mod bundled;
mod failures;
mod lifetime;
mod locations;
mod objects;
mod output;
mod services;
mod support;
