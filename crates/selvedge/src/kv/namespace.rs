//! `selvedge kv namespace`.

use clap::Subcommand;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::NamespaceArguments;
use crate::tools::{self, Outcome, Place, PlaceArguments};

pub(super) const PATH: &str = "/storage/kv/namespaces";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a namespace.
    Create {
        /// What people call it.
        title: String,
        /// Print the new namespace as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the namespaces, as JSON.
    List,
    /// Give a namespace another title.
    Rename {
        #[command(flatten)]
        namespace: NamespaceArguments,
        /// The new title.
        #[arg(long)]
        new_name: String,
    },
    /// Hold every value against its checksum; exit code 1 if something is wrong.
    Check {
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
    /// Delete a namespace and everything in it.
    Delete {
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
}

#[derive(Deserialize, Serialize)]
struct Namespace {
    id: String,
    title: String,
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        match self {
            Self::Create { title, json } => {
                let place = Place::create(place).await?;
                let body = json!({ "title": title });
                let made: Namespace = place.client().call(Method::POST, PATH, Some(&body)).await?.result;
                if json {
                    return tools::json(&made);
                }
                tools::spoken(format_args!("Created namespace {:?}. To bind it:", made.title));
                let binding = json!({ "kv_namespaces": [{ "binding": "KV", "id": made.id }] });
                tools::json(&binding)
            }
            Self::List => {
                let place = Place::open(place).await?;
                let mut all: Vec<Namespace> = Vec::new();
                for page in 1.. {
                    let target = format!("{PATH}?per_page=1000&page={page}");
                    let rows: Vec<Namespace> = place.client().call(Method::GET, &target, None).await?.result;
                    if rows.is_empty() {
                        break;
                    }
                    all.extend(rows);
                }
                tools::json(&all)
            }
            Self::Rename { namespace, new_name } => {
                let place = Place::open(place).await?;
                let body = json!({ "title": new_name });
                let path = namespace.path(&place).await?;
                place.client().call::<Value>(Method::PUT, &path, Some(&body)).await?;
                tools::spoken(format_args!("The namespace is now called {new_name:?}."));
                Ok(())
            }
            Self::Check { namespace } => {
                let place = Place::open(place).await?;
                let target = format!("{}/selvedge/check", namespace.path(&place).await?);
                let report: Value = place.client().call(Method::POST, &target, None).await?.result;
                tools::json(&report)?;
                if report["sound"] == true { Ok(()) } else { anyhow::bail!("the namespace is damaged") }
            }
            Self::Delete { namespace } => {
                let place = Place::open(place).await?;
                let path = namespace.path(&place).await?;
                place.client().call::<Value>(Method::DELETE, &path, None).await?;
                tools::spoken("Deleted the namespace.");
                Ok(())
            }
        }
    }
}
