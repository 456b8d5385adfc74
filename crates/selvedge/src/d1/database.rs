//! Creating, listing, describing and deleting databases.

use std::io::{IsTerminal as _, Write as _};

use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a database.
    Create {
        name: String,
        /// Print the new database as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the databases.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Say how large a database is and what it holds.
    Info {
        /// Its binding, its name or its id.
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Delete a database with everything in it.
    Delete {
        /// Its binding, its name or its id.
        name: String,
        /// Do not ask.
        #[arg(long, short = 'y')]
        skip_confirmation: bool,
    },
}

#[derive(Deserialize, Serialize)]
struct Database {
    uuid: String,
    name: String,
    version: String,
    created_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_in_region: Option<String>,
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        match self {
            Self::Create { name, json } => {
                let place = Place::create(place).await?;
                let body = json!({ "name": name });
                let made: Database =
                    place.client().call(Method::POST, super::PATH, Some(&body)).await?.result;
                if json {
                    return tools::json(&made);
                }
                tools::spoken(format_args!("Created database {:?}. To bind it:", made.name));
                tools::json(&json!({ "d1_databases": [
                    { "binding": "DB", "database_name": made.name, "database_id": made.uuid },
                ] }))
            }
            Self::List { json } => {
                let place = Place::open(place).await?;
                let target = format!("{}?per_page=1000", super::PATH);
                let all: Vec<Database> = place.client().call(Method::GET, &target, None).await?.result;
                if json {
                    return tools::json(&all);
                }
                let row = |d: Database| vec![d.uuid, d.name, d.version, d.created_at.unwrap_or_default()];
                let rows: Vec<_> = all.into_iter().map(row).collect();
                tools::table(&["uuid", "name", "version", "created_at"], &rows)
            }
            Self::Info { name, json } => {
                let place = Place::open(place).await?;
                let path = super::path(&place, &name).await?;
                let info: Value = place.client().call(Method::GET, &path, None).await?.result;
                if json {
                    return tools::json(&info);
                }
                tools::facts(&info)
            }
            Self::Delete { name, skip_confirmation } => {
                let place = Place::open(place).await?;
                if !skip_confirmation && !confirmed(&name)? {
                    tools::spoken("Nothing was deleted.");
                    return Ok(());
                }
                let path = super::path(&place, &name).await?;
                place.client().call::<Value>(Method::DELETE, &path, None).await?;
                tools::spoken(format_args!("Deleted database {name:?}."));
                Ok(())
            }
        }
    }
}

/// Asks at the terminal; without one, `--skip-confirmation` must say it.
fn confirmed(name: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Misuse("deleting needs --skip-confirmation when nobody can be asked".into()).into());
    }
    anstream::eprint!("Delete database {name:?} with everything in it? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
