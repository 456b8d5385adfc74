//! `selvedge d1`: databases, with wrangler's words.

mod check;
mod database;
mod execute;
mod migrations;
mod transfer;
mod travel;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

const PATH: &str = "/d1/database";

/// Work with D1 databases, on a running node or directly on its data.
#[derive(Args, Debug)]
pub(crate) struct D1Arguments {
    #[command(flatten)]
    place: PlaceArguments,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Database(database::Command),
    Execute(execute::Execute),
    Export(transfer::Export),
    Import(transfer::Import),
    /// Create, list and apply migrations.
    #[command(subcommand)]
    Migrations(migrations::Command),
    /// Look up and restore what a database was.
    #[command(subcommand)]
    TimeTravel(travel::Command),
    Insights(travel::Insights),
    Check(check::Check),
}

pub(crate) async fn run(arguments: D1Arguments) -> ExitCode {
    let D1Arguments { place, command } = arguments;
    tools::finish(match command {
        Command::Database(command) => command.run(place).await,
        Command::Execute(execute) => execute.run(place).await,
        Command::Export(export) => export.run(place).await,
        Command::Import(import) => import.run(place).await,
        Command::Migrations(command) => command.run(place).await,
        Command::TimeTravel(command) => command.run(place).await,
        Command::Insights(insights) => insights.run(place).await,
        Command::Check(check) => check.run(place).await,
    })
}

/// What the config says of the database that is called `name` there, by its binding, its name or its id.
fn configured(place: &Place, name: &str) -> Option<selvedge_project::D1Database> {
    let project = place.project().ok()?;
    let mut all = project.workers.into_iter().flat_map(|worker| worker.d1_databases);
    all.find(|database| database.binding == name || database.name == name || database.id == name)
}

/// Where the API has the database: what the config calls so, otherwise what the data directory calls so. One
/// that the config names is made when it is not there yet, as `selvedge dev` makes it.
async fn path(place: &Place, name: &str) -> anyhow::Result<String> {
    let Some(database) = configured(place, name) else { return Ok(format!("{PATH}/{}", segment(name))) };
    let body = json!({ "name": database.name, "uuid": database.id });
    place.client().call::<Value>(Method::POST, PATH, Some(&body)).await?;
    Ok(format!("{PATH}/{}", segment(&database.id)))
}

/// Sends a SQLite file to become a database.
pub(crate) async fn adopt(place: &Place, target: &str, file: &Path) -> Outcome {
    // A copy, so that what is only in the write-ahead log comes along and the owner may go on.
    let directory = tempfile::tempdir()?;
    let copy = directory.path().join("copy.sqlite");
    selvedge_state::copy_database(file, &copy)?;
    let (body, _) = tools::file_body(&copy, None).await?;
    place.client().fetch_with(Method::PUT, target, &[], body).await?;
    Ok(())
}
