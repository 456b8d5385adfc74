//! `selvedge r2 object`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::tools::{self, Misuse, Outcome, Place, PlaceArguments, segment};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write an object.
    Put(Put),
    /// Read an object.
    Get {
        /// bucket/key
        object: String,
        /// Where to; the last part of the key without it.
        #[arg(long, short, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Write to stdout.
        #[arg(long, short, conflicts_with = "file")]
        pipe: bool,
    },
    /// Delete an object.
    Delete {
        /// bucket/key
        object: String,
    },
    /// List a bucket's objects.
    List {
        bucket: String,
        /// Only keys that start with this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// Show keys that have this after the prefix as one.
        #[arg(long, value_name = "TEXT", default_value = "")]
        delimiter: String,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Put {
    /// bucket/key
    object: String,
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    headers: Headers,
}

/// What is kept with an object.
#[derive(Args, Clone, Debug)]
pub(super) struct Headers {
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: Option<String>,
    #[arg(long, visible_alias = "cd", value_name = "TEXT")]
    content_disposition: Option<String>,
    #[arg(long, visible_alias = "ce", value_name = "TEXT")]
    content_encoding: Option<String>,
    #[arg(long, visible_alias = "cl", value_name = "TEXT")]
    content_language: Option<String>,
    #[arg(long, visible_alias = "cc", value_name = "TEXT")]
    cache_control: Option<String>,
    /// Standard or InfrequentAccess.
    #[arg(long, short, value_name = "CLASS")]
    storage_class: Option<String>,
}

impl Headers {
    pub(super) fn all(&self) -> Vec<(&str, &str)> {
        let all = [
            ("content-type", &self.content_type),
            ("content-disposition", &self.content_disposition),
            ("content-encoding", &self.content_encoding),
            ("content-language", &self.content_language),
            ("cache-control", &self.cache_control),
            ("cf-r2-storage-class", &self.storage_class),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        match self {
            Self::Put(put) => {
                let (bucket, key) = super::place_of(&put.object)?;
                let path = super::path(&place, bucket).await?;
                let size = std::fs::metadata(&put.file).map_or(0, |metadata| metadata.len());
                let bar = tools::bar("Uploading", "bytes", size);
                let headers = put.headers.all();
                send(&place, &path, key, &put.file, &headers, Some(bar.clone())).await?;
                bar.finish_and_clear();
                tools::spoken(format_args!("Wrote {}.", put.object));
                Ok(())
            }
            Self::Get { object, file, pipe } => get(&place, &object, file, pipe).await,
            Self::Delete { object } => {
                let (bucket, key) = super::place_of(&object)?;
                let target = format!("{}/objects/{}", super::path(&place, bucket).await?, segment(key));
                place.client().call::<Value>(Method::DELETE, &target, None).await?;
                tools::spoken(format_args!("Deleted {object}."));
                Ok(())
            }
            Self::List { bucket, prefix, delimiter, json } => {
                list(&place, &bucket, &prefix, &delimiter, json).await
            }
        }
    }
}

/// Makes the bytes of `file` the object `key`.
pub(super) async fn send(
    place: &Place,
    path: &str,
    key: &str,
    file: &std::path::Path,
    headers: &[(&str, &str)],
    bar: Option<indicatif::ProgressBar>,
) -> Outcome {
    let (body, size) = tools::file_body(file, bar).await?;
    let size = size.to_string();
    let headers = [headers, &[("content-length", size.as_str())]].concat();
    let target = format!("{path}/objects/{}", segment(key));
    let sent = place.client().fetch_with(Method::PUT, &target, &headers, body).await;
    sent.map(drop).with_context(|| format!("cannot write {key:?}"))
}

async fn get(place: &Place, object: &str, file: Option<PathBuf>, pipe: bool) -> Outcome {
    let (bucket, key) = super::place_of(object)?;
    let target = format!("{}/objects/{}", super::path(place, bucket).await?, segment(key));
    let name = key.rsplit('/').next().unwrap_or(key);
    let file = match file {
        Some(file) => Some(file),
        None if pipe => None,
        None if name.is_empty() => return Err(Misuse("say where to with --file".into()).into()),
        None => Some(PathBuf::from(name)),
    };
    let response = place.client().fetch(Method::GET, &target, &[], "").await?;
    tools::save(response.into_body(), file.as_deref(), "object", "Downloading").await
}

async fn list(place: &Place, bucket: &str, prefix: &str, delimiter: &str, json: bool) -> Outcome {
    let path = super::path(place, bucket).await?;
    let query = format!("prefix={}&delimiter={}", segment(prefix), segment(delimiter));
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let target = format!("{path}/objects?{query}&cursor={}", segment(&cursor));
        let page = place.client().call::<Vec<Value>>(Method::GET, &target, None).await?;
        all.extend(page.result);
        match page.cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    if json {
        return tools::json(&all);
    }
    let columns = ["key", "size", "last_modified", "etag", "storage_class"];
    let rows = all.iter().map(|row| columns.map(|column| tools::plain(&row[column])).to_vec());
    tools::table(&columns, &rows.collect::<Vec<_>>())
}
