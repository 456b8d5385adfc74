//! The `selvedge` command: words in, words out. What it does is in the other crates.

mod arguments;
mod clock;
mod console;
mod d1;
mod dev;
mod hyperdrive;
mod import;
mod kv;
mod r2;
mod s3;
mod tools;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};

/// Something the user asked for did not work.
const FAILED: u8 = 1;
/// The command line or the project's config is wrong; clap uses the same number.
const MISUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    console::log_to_stderr(arguments.verbose);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = match arguments.command {
        Command::S3(_) => cores,
        // One core is workerd's: with a thread on each, requests would wander between cores and wake both.
        _ => cores.saturating_sub(1).max(1),
    };
    let mut builder = match arguments.command {
        // A pool on one thread passes messages on from where they arrive: nothing is shared, and nobody is woken.
        Command::Hyperdrive(_) if threads == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return console::failure(&error, FAILED),
    };
    match arguments.command {
        Command::Dev(dev) => runtime.block_on(dev::run(dev)),
        Command::Clock(clock) => runtime.block_on(clock::run(clock)),
        Command::D1(d1) => runtime.block_on(d1::run(d1)),
        Command::Hyperdrive(hyperdrive) => runtime.block_on(hyperdrive::run(*hyperdrive)),
        Command::Import(import) => runtime.block_on(import::run(import)),
        Command::Kv(kv) => runtime.block_on(kv::run(kv)),
        Command::S3(s3) => runtime.block_on(s3::run(s3)),
        Command::R2(r2) => runtime.block_on(r2::run(r2)),
    }
}

/// The environment of the process. Variables that are not UTF-8 cannot be any that are read.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}
