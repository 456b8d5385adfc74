//! Real workerd processes, run by the configs this crate writes.

mod bindings;
mod bundled;
mod failures;
mod lifetime;
mod objects;
mod output;
mod services;
mod support;
