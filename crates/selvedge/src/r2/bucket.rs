//! `selvedge r2 bucket`.

use clap::Subcommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::rules;
use crate::tools::{self, Outcome, Place, PlaceArguments};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a bucket.
    Create {
        /// 3 to 63 of a-z, 0-9 and "-".
        name: String,
        /// Of objects that are put without one: Standard or InfrequentAccess.
        #[arg(long, short, value_name = "CLASS")]
        storage_class: Option<String>,
    },
    /// List the buckets.
    List {
        #[arg(long)]
        json: bool,
    },
    /// Say what a bucket is and how much it holds.
    Info {
        name: String,
        #[arg(long)]
        json: bool,
    },
    /// Delete a bucket that is empty.
    Delete { name: String },
    /// What becomes of objects with time.
    #[command(subcommand)]
    Lifecycle(rules::Command),
    /// Which objects cannot be deleted or overwritten.
    #[command(subcommand)]
    Lock(rules::Command),
    /// Which web pages may read and write.
    #[command(subcommand)]
    Cors(rules::Command),
    /// Let anybody read, or not any more.
    #[command(name = "dev-url", subcommand)]
    DevUrl(Public),
}

#[derive(Debug, Subcommand)]
pub(super) enum Public {
    /// Anybody who reaches the endpoint may read the objects, without credentials.
    Enable { name: String },
    /// Only those with credentials may read.
    Disable { name: String },
    /// Say which it is.
    Get { name: String },
}

impl Public {
    async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        let (name, enabled) = match self {
            Self::Enable { name } => (name, Some(true)),
            Self::Disable { name } => (name, Some(false)),
            Self::Get { name } => (name, None),
        };
        let target = format!("{}/domains/managed", super::path(&place, &name).await?);
        let body = enabled.map(|enabled| json!({ "enabled": enabled }));
        let method = if body.is_some() { Method::PUT } else { Method::GET };
        let state: Value = place.client().call(method, &target, body.as_ref()).await?.result;
        let how = if state["enabled"] == true { "Anybody" } else { "Only those with credentials" };
        tools::spoken(format_args!("{how} may read the objects of {name:?}."));
        Ok(())
    }
}

#[derive(Deserialize)]
struct Page {
    buckets: Vec<Value>,
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        match self {
            Self::Create { name, storage_class } => {
                let place = Place::create(place).await?;
                let mut body = json!({ "name": name });
                if let Some(class) = storage_class {
                    body["storageClass"] = class.into();
                }
                place.client().call::<Value>(Method::POST, super::PATH, Some(&body)).await?;
                tools::spoken(format_args!("Created bucket {name:?}. To bind it:"));
                tools::json(&json!({ "r2_buckets": [{ "binding": "BUCKET", "bucket_name": name }] }))
            }
            Self::List { json } => {
                let place = Place::open(place).await?;
                let (mut all, mut target) = (Vec::new(), super::PATH.to_owned());
                loop {
                    let page = place.client().call::<Page>(Method::GET, &target, None).await?;
                    all.extend(page.result.buckets);
                    let Some(next) = page.cursor else { break };
                    target = format!("{}?cursor={}", super::PATH, tools::segment(&next));
                }
                if json {
                    return tools::json(&all);
                }
                let columns = ["name", "creation_date", "storage_class"];
                let rows = all.iter().map(|row| columns.map(|c| tools::plain(&row[c])).to_vec());
                tools::table(&columns, &rows.collect::<Vec<_>>())
            }
            Self::Info { name, json } => {
                let place = Place::open(place).await?;
                let path = super::path(&place, &name).await?;
                let mut info: Value = place.client().call(Method::GET, &path, None).await?.result;
                let usage: Value =
                    place.client().call(Method::GET, &format!("{path}/usage"), None).await?.result;
                info["object_count"] = usage["objectCount"].clone();
                info["bucket_size"] = usage["payloadSize"].clone();
                info["upload_count"] = usage["uploadCount"].clone();
                if json {
                    return tools::json(&info);
                }
                tools::facts(&info)
            }
            Self::Delete { name } => {
                let place = Place::open(place).await?;
                let target = format!("{}/{}", super::PATH, tools::segment(&name));
                place.client().call::<Value>(Method::DELETE, &target, None).await?;
                tools::spoken(format_args!("Deleted bucket {name:?}."));
                Ok(())
            }
            Self::Lifecycle(command) => command.run(place, "lifecycle").await,
            Self::Lock(command) => command.run(place, "lock").await,
            Self::Cors(command) => command.run(place, "cors").await,
            Self::DevUrl(command) => command.run(place).await,
        }
    }
}
