//! Real sources through the real esbuild, most of them into the real workerd.

mod failures;
mod fixture;
mod modules;
mod node;
mod sources;
