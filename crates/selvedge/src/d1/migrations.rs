//! `selvedge d1 migrations`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an empty migration file with the next number.
    Create {
        /// The database's binding, name or id.
        name: String,
        /// What the migration does, in a few words.
        message: String,
    },
    /// List the migrations that are not applied yet.
    List {
        /// The database's binding, name or id.
        name: String,
    },
    /// Apply the migrations that are not applied yet, each as one transaction.
    Apply {
        /// The database's binding, name or id.
        name: String,
    },
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::create(place).await?;
        match self {
            Self::Create { name, message } => create(&configured(&place, &name)?.migrations_dir, &message),
            Self::List { name } => {
                let waiting = waiting(&place, &name).await?;
                if waiting.is_empty() {
                    tools::spoken("No migrations to apply.");
                    return Ok(());
                }
                let rows: Vec<_> = waiting.into_iter().map(|name| vec![name]).collect();
                tools::table(&["name"], &rows)
            }
            Self::Apply { name } => apply(&place, &name).await,
        }
    }
}

fn configured(place: &Place, name: &str) -> anyhow::Result<selvedge_project::D1Database> {
    let found = super::configured(place, name);
    found.ok_or_else(|| {
        let text =
            format!("the config has no D1 database {name:?}; its migrations_dir is what this is about");
        Misuse(text).into()
    })
}

fn create(directory: &Path, message: &str) -> Outcome {
    let files = if directory.is_dir() { files(directory)? } else { Vec::new() };
    let number = |name: &String| name.split('_').next().and_then(|number| number.parse::<u32>().ok());
    let next = files.iter().filter_map(number).max().unwrap_or(0) + 1;
    let words: Vec<&str> = message.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let path: PathBuf = directory.join(format!("{next:04}_{}.sql", words.join("_")));
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let text = format!("-- Migration number: {next:04}\n");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    tools::spoken("Created a migration:");
    tools::raw(format!("{}\n", path.display()).as_bytes())
}

/// The `.sql` files of a directory, by name.
fn files(directory: &Path) -> anyhow::Result<Vec<String>> {
    let reading = || format!("cannot read the migrations in {}", directory.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(reading)? {
        let name = entry.with_context(reading)?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sql") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The files that the migrations table does not name.
async fn waiting(place: &Place, name: &str) -> anyhow::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Row>,
    }
    #[derive(Deserialize)]
    struct Row {
        name: String,
    }
    let database = configured(place, name)?;
    let files = files(&database.migrations_dir)?;
    let target = format!("{}/query", super::path(place, name).await?);
    let ask = |sql: String| {
        let (client, target) = (place.client(), &target);
        async move { client.call::<Vec<Answer>>(Method::POST, target, Some(&json!({ "sql": sql }))).await }
    };
    let table = &database.migrations_table;
    let there = format!("SELECT name FROM sqlite_schema WHERE name = '{}'", table.replace('\'', "''"));
    if ask(there).await?.result.iter().all(|answer| answer.results.is_empty()) {
        return Ok(files);
    }
    let known = ask(format!("SELECT name FROM \"{}\"", table.replace('"', "\"\""))).await?.result;
    let known: Vec<String> = known.into_iter().flat_map(|a| a.results).map(|row| row.name).collect();
    Ok(files.into_iter().filter(|file| !known.contains(file)).collect())
}

async fn apply(place: &Place, name: &str) -> Outcome {
    let database = configured(place, name)?;
    let waiting = waiting(place, name).await?;
    if waiting.is_empty() {
        tools::spoken("No migrations to apply.");
        return Ok(());
    }
    let target = format!("{}/selvedge/migrate", super::path(place, name).await?);
    let bar = tools::bar("Migrating", "files", waiting.len() as u64);
    for (at, file) in waiting.iter().enumerate() {
        let path = database.migrations_dir.join(file);
        let sql =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let body = json!({ "name": file, "sql": sql, "table": database.migrations_table });
        if let Err(error) = place.client().call::<Value>(Method::POST, &target, Some(&body)).await {
            bar.finish_and_clear();
            bail!(
                "{error}\n{at} of {} migrations are applied; {file} and those after it are not",
                waiting.len()
            );
        }
        bar.inc(1);
        bar.suspend(|| tools::spoken(format_args!("Applied {file}")));
    }
    bar.finish_and_clear();
    Ok(())
}
