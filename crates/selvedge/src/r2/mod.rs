//! `selvedge r2`: buckets and objects, with wrangler's words.

mod bucket;
mod bulk;
mod object;
mod rules;
mod sync;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments, segment};

const PATH: &str = "/r2/buckets";

/// Work with R2 buckets and their objects, on a running node or directly on its data.
#[derive(Args, Debug)]
pub(crate) struct R2Arguments {
    #[command(flatten)]
    place: PlaceArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create, list, describe and delete buckets, and set their rules.
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Read and write objects.
    #[command(subcommand)]
    Object(object::Command),
    /// Write many objects at once.
    #[command(subcommand)]
    Bulk(bulk::Command),
    /// Make a bucket here and one of another S3 the same, in either direction.
    Sync(sync::Sync),
    /// Hold every object against its checksum and every file against the objects; exit code 1 if something is wrong.
    Fsck {
        bucket: String,
        /// Mend what can be mended without losing what can still be read.
        #[arg(long)]
        repair: bool,
    },
}

pub(crate) async fn run(arguments: R2Arguments) -> ExitCode {
    let R2Arguments { place, command } = arguments;
    tools::finish(match command {
        Command::Bucket(command) => command.run(place).await,
        Command::Object(command) => command.run(place).await,
        Command::Bulk(command) => command.run(place).await,
        Command::Sync(sync) => sync.run(place).await,
        Command::Fsck { bucket, repair } => fsck(place, &bucket, repair).await,
    })
}

/// Prints the report as JSON.
async fn fsck(place: PlaceArguments, bucket: &str, repair: bool) -> Outcome {
    let place = Place::open(place).await?;
    let query = if repair { "?repair=true" } else { "" };
    let target = format!("{}/selvedge/fsck{query}", path(&place, bucket).await?);
    let bar = tools::spinner(format!("Reading {bucket}"));
    let report = place.client().call::<Value>(Method::POST, &target, None).await;
    bar.finish_and_clear();
    let report = report?.result;
    tools::json(&report)?;
    let open =
        report["problems"].as_array().into_iter().flatten().filter(|problem| problem["repaired"] != true);
    match open.count() {
        0 => Ok(()),
        n => anyhow::bail!("{n} problems in {bucket}"),
    }
}

/// Where the API has the bucket. One that the config names is made when it is not there yet, as `selvedge dev`
/// makes it.
pub(crate) async fn path(place: &Place, bucket: &str) -> anyhow::Result<String> {
    let configured = place.project().is_ok_and(|project| {
        project.workers.iter().flat_map(|worker| &worker.r2_buckets).any(|found| found.bucket == bucket)
    });
    if configured {
        let body = json!({ "name": bucket, "if_missing": true });
        place.client().call::<Value>(Method::POST, PATH, Some(&body)).await?;
    }
    Ok(format!("{PATH}/{}", segment(bucket)))
}

/// The bucket and the key of `bucket/key`, as wrangler has it.
fn place_of(path: &str) -> anyhow::Result<(&str, &str)> {
    let split = path.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
    split.ok_or_else(|| Misuse(format!("{path:?} is not an object: give bucket/key")).into())
}
