//! `selvedge kv key`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NamespaceArguments;
use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments, segment};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a value.
    Put(Put),
    /// List keys, as JSON.
    List {
        #[command(flatten)]
        namespace: NamespaceArguments,
        /// Only keys that start with this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
    },
    /// Print a value.
    Get {
        key: String,
        #[command(flatten)]
        namespace: NamespaceArguments,
        /// End the value with a newline, and refuse one that is not UTF-8.
        #[arg(long)]
        text: bool,
    },
    /// Delete a key.
    Delete {
        key: String,
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
}

#[derive(Args, Debug)]
pub(super) struct Put {
    key: String,
    #[arg(required_unless_present = "path", conflicts_with = "path")]
    value: Option<String>,
    /// Take the value from this file.
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    namespace: NamespaceArguments,
    /// When the key expires, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    expiration: Option<u64>,
    /// In how many seconds the key expires.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    /// JSON to keep beside the value.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Key {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expiration: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Value>,
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        let client = place.client();
        match self {
            Self::Put(put) => put.run(&place).await,
            Self::List { namespace, prefix } => {
                let path = namespace.path(&place).await?;
                let mut all: Vec<Key> = Vec::new();
                let mut cursor = String::new();
                loop {
                    let target =
                        format!("{path}/keys?prefix={}&cursor={}", segment(&prefix), segment(&cursor));
                    let page = client.call::<Vec<Key>>(Method::GET, &target, None).await?;
                    all.extend(page.result);
                    match page.cursor {
                        Some(next) => cursor = next,
                        None => return tools::json(&all),
                    }
                }
            }
            Self::Get { key, namespace, text } => {
                let target = format!("{}/values/{}", namespace.path(&place).await?, segment(&key));
                let body = client.fetch(Method::GET, &target, &[], "").await?.into_body();
                if text {
                    let value = body.collect().await?.to_bytes();
                    let value = str::from_utf8(&value).context("the value is not text")?;
                    return tools::raw(format!("{value}\n").as_bytes());
                }
                tools::save(body, None, "value", "Downloading").await
            }
            Self::Delete { key, namespace } => {
                let target = format!("{}/values/{}", namespace.path(&place).await?, segment(&key));
                client.call::<Value>(Method::DELETE, &target, None).await?;
                tools::spoken(format_args!("Deleted {key:?}."));
                Ok(())
            }
        }
    }
}

impl Put {
    async fn run(self, place: &Place) -> Outcome {
        let value = match (self.value, &self.path) {
            (Some(value), _) => value.into_bytes(),
            (None, Some(path)) => {
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
            }
            (None, None) => return Err(Misuse("give a value, or a file with --path".into()).into()),
        };
        let seconds = [("expiration", self.expiration), ("expiration_ttl", self.ttl)];
        let query: Vec<String> =
            seconds.iter().filter_map(|(name, value)| value.map(|v| format!("{name}={v}"))).collect();
        let path = self.namespace.path(place).await?;
        let target = format!("{path}/values/{}?{}", segment(&self.key), query.join("&"));
        let mut headers = Vec::new();
        if let Some(metadata) = &self.metadata {
            serde_json::from_str::<Value>(metadata).context("--metadata is not JSON")?;
            headers.push(("cf-kv-metadata", metadata.as_str()));
        }
        place.client().fetch(Method::PUT, &target, &headers, value).await?;
        tools::spoken(format_args!("Wrote {:?}.", self.key));
        Ok(())
    }
}
