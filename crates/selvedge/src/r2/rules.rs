//! `selvedge r2 bucket lifecycle|lock|cors`: rules as JSON, in the shape of Cloudflare's API.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use http::{Method, StatusCode};
use selvedge_node::ClientError;
use serde_json::{Value, json};

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the rules as JSON.
    List { bucket: String },
    /// Replace all rules by those in a JSON file: {"rules": [...]}.
    Set {
        bucket: String,
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Add the rule in a JSON file.
    Add {
        bucket: String,
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove the rule with this id.
    Remove {
        bucket: String,
        #[arg(long, visible_alias = "name", value_name = "ID")]
        id: String,
    },
    /// Remove all rules.
    Delete { bucket: String },
}

impl Command {
    /// `what` is `lifecycle`, `lock` or `cors`.
    pub(super) async fn run(self, place: PlaceArguments, what: &str) -> Outcome {
        let place = Place::open(place).await?;
        let (Self::List { bucket }
        | Self::Set { bucket, .. }
        | Self::Add { bucket, .. }
        | Self::Remove { bucket, .. }
        | Self::Delete { bucket }) = &self;
        let target = format!("{}/{what}", super::path(&place, bucket).await?);
        let rules = match self {
            Self::List { .. } => return tools::json(&current(&place, &target).await?),
            Self::Set { file, .. } => match read(&file)? {
                Value::Array(rules) => rules,
                mut other => match other["rules"].take() {
                    Value::Array(rules) => rules,
                    _ => {
                        return Err(Misuse(format!("{} has no list called \"rules\"", file.display())).into());
                    }
                },
            },
            Self::Add { file, .. } => {
                let mut rules = current(&place, &target).await?;
                rules.push(read(&file)?);
                rules
            }
            Self::Remove { id, .. } => {
                let mut rules = current(&place, &target).await?;
                let before = rules.len();
                rules.retain(|rule| rule["id"] != id.as_str());
                if rules.len() == before {
                    return Err(Misuse(format!("there is no {what} rule {id:?}")).into());
                }
                rules
            }
            Self::Delete { .. } => Vec::new(),
        };
        let count = rules.len();
        if count == 0 && what == "cors" {
            place.client().call::<Value>(Method::DELETE, &target, None).await?;
        } else {
            place.client().call::<Value>(Method::PUT, &target, Some(&json!({ "rules": rules }))).await?;
        }
        tools::spoken(format_args!("{what}: {count} rules."));
        Ok(())
    }
}

async fn current(place: &Place, target: &str) -> anyhow::Result<Vec<Value>> {
    match place.client().call::<Value>(Method::GET, target, None).await {
        Ok(mut answer) => match answer.result["rules"].take() {
            Value::Array(rules) => Ok(rules),
            _ => Ok(Vec::new()),
        },
        Err(ClientError::Refused { status: StatusCode::NOT_FOUND, code: 10059, .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}
