//! `selvedge s3 key`: who may use the endpoint.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

const PATH: &str = "/r2/access-keys";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an access key; its secret is printed once, as JSON.
    Create {
        /// What people call it.
        name: String,
        /// admin-read-write, admin-read-only, object-read-write or object-read-only.
        #[arg(long, default_value = "object-read-write")]
        permission: String,
        /// Only for this bucket; may be repeated.
        #[arg(long, value_name = "NAME")]
        bucket: Vec<String>,
        /// The id that it shall have, for clients that have one already.
        #[arg(long, value_name = "ID", requires = "secret")]
        id: Option<String>,
        /// The variable of the environment that has the secret which it shall have.
        #[arg(long, value_name = "VARIABLE")]
        secret: Option<String>,
    },
    /// List the access keys, as JSON, without their secrets.
    List,
    /// Take an access key back, and with it every temporary one that came of it.
    Delete {
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        match self {
            Self::Create { name, permission, bucket, id, secret } => {
                let secret = match secret {
                    Some(variable) => Some(std::env::var(&variable).map_err(|_| {
                        tools::Misuse(format!("the environment has no {variable} with a secret in it"))
                    })?),
                    None => None,
                };
                let place = Place::create(place).await?;
                let buckets = (!bucket.is_empty()).then_some(bucket);
                let body = json!({
                    "name": name, "permission": permission, "buckets": buckets,
                    "accessKeyId": id, "secretAccessKey": secret,
                });
                let made: Value = place.client().call(Method::POST, PATH, Some(&body)).await?.result;
                tools::json(&made)
            }
            Self::List => {
                let place = Place::open(place).await?;
                let all: Value = place.client().call(Method::GET, PATH, None).await?.result;
                tools::json(&all)
            }
            Self::Delete { id } => {
                let place = Place::open(place).await?;
                let path = format!("{PATH}/{}", segment(&id));
                place.client().call::<Value>(Method::DELETE, &path, None).await?;
                tools::spoken("Deleted the access key.");
                Ok(())
            }
        }
    }
}
