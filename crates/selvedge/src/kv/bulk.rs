//! `selvedge kv bulk`: files of many keys. What goes out of `export` goes into `put`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::NamespaceArguments;
use super::key::Key;
use crate::tools::{self, Outcome, Place, PlaceArguments, segment};

/// Keys per request when writing, and when reading.
const WRITES: usize = 10_000;
const READS: usize = 100;
/// Bytes of JSON per request when writing; one pair may be longer.
const BYTES: usize = 32 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write the pairs of a JSON file: [{"key", "value", "base64"?, "expiration"?, "expiration_ttl"?, "metadata"?}].
    Put {
        file: PathBuf,
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
    /// Print the values of the keys in a JSON file: ["key", ...] or [{"name": "key"}, ...].
    Get {
        file: PathBuf,
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
    /// Delete the keys in a JSON file: ["key", ...] or [{"name": "key"}, ...].
    Delete {
        file: PathBuf,
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
    /// Write every key with its value, expiration and metadata as JSON that `bulk put` takes.
    Export {
        /// Where to; stdout without it.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only keys that start with this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        #[command(flatten)]
        namespace: NamespaceArguments,
    },
}

impl Command {
    pub(super) async fn run(self, place: PlaceArguments) -> Outcome {
        let place = Place::open(place).await?;
        match self {
            Self::Put { file, namespace } => {
                let pairs: Vec<Value> = read(&file)?;
                write(&place, "Writing", &namespace.path(&place).await?, Method::PUT, pairs).await
            }
            Self::Delete { file, namespace } => {
                let keys = keys(&file)?.into_iter().map(Value::String).collect();
                write(&place, "Deleting", &namespace.path(&place).await?, Method::DELETE, keys).await
            }
            Self::Get { file, namespace } => {
                let keys = keys(&file)?;
                let target = format!("{}/bulk/get", namespace.path(&place).await?);
                let bar = tools::bar("Reading", "keys", keys.len() as u64);
                let mut values = serde_json::Map::new();
                for some in keys.chunks(READS) {
                    let body = json!({ "keys": some });
                    let found = place.client().call::<Values>(Method::POST, &target, Some(&body)).await?;
                    values.extend(found.result.values);
                    bar.inc(some.len() as u64);
                }
                bar.finish_and_clear();
                tools::json(&values)
            }
            Self::Export { output, prefix, namespace } => {
                export(&place, &namespace.path(&place).await?, &prefix, output.as_deref()).await
            }
        }
    }
}

#[derive(Deserialize)]
struct Values {
    values: serde_json::Map<String, Value>,
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a JSON list", file.display()))
}

fn keys(file: &Path) -> anyhow::Result<Vec<String>> {
    let rows: Vec<Value> = read(file)?;
    let name = |(at, row): (usize, Value)| match row {
        Value::String(name) => Ok(name),
        Value::Object(mut row) => match row.remove("name").or_else(|| row.remove("key")) {
            Some(Value::String(name)) => Ok(name),
            _ => bail!("{}: entry {at} has no \"name\"", file.display()),
        },
        other => bail!("{}: entry {at} is {other}, not a key", file.display()),
    };
    rows.into_iter().enumerate().map(name).collect()
}

#[derive(Deserialize)]
struct Tally {
    successful_key_count: u64,
    errors_by_key: std::collections::BTreeMap<String, String>,
}

/// Sends `rows` in requests of bounded size. What was refused is named at the end; the rest is written.
async fn write(place: &Place, doing: &str, path: &str, method: Method, rows: Vec<Value>) -> Outcome {
    let bar = tools::bar(doing, "keys", rows.len() as u64);
    let target = format!("{path}/bulk");
    let (mut done, mut refused) = (0, Vec::new());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut some, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next_if(|_| some.len() < WRITES && bytes < BYTES) {
            bytes += row["value"].as_str().map_or(64, |value| value.len() + 64);
            some.push(row);
        }
        let count = some.len() as u64;
        let tally = place.client().call::<Tally>(method.clone(), &target, Some(&some.into())).await?.result;
        done += tally.successful_key_count;
        refused.extend(tally.errors_by_key);
        bar.inc(count);
    }
    bar.finish_and_clear();
    for (key, why) in refused.iter().take(20) {
        tools::spoken(format_args!("{key:?}: {why}"));
    }
    if !refused.is_empty() {
        bail!("{} of {} keys were refused; {done} are done", refused.len(), refused.len() as u64 + done);
    }
    tools::spoken(format_args!("{done} keys done."));
    Ok(())
}

async fn export(place: &Place, path: &str, prefix: &str, output: Option<&Path>) -> Outcome {
    let mut out: Box<dyn std::io::Write> = match output {
        Some(file) => {
            let made = std::fs::File::create(file);
            Box::new(std::io::BufWriter::new(
                made.with_context(|| format!("cannot write {}", file.display()))?,
            ))
        }
        None => Box::new(std::io::BufWriter::new(std::io::stdout())),
    };
    let bar = tools::bar("Exporting", "keys", 0);
    let (mut cursor, mut first) = (String::new(), true);
    write!(out, "[")?;
    loop {
        let target = format!("{path}/keys?prefix={}&cursor={}", segment(prefix), segment(&cursor));
        let page = place.client().call::<Vec<Key>>(Method::GET, &target, None).await?;
        bar.inc_length(page.result.len() as u64);
        for key in page.result {
            // A key that is gone since it was listed has nothing to export.
            if let Some(pair) = pair(place, path, key).await? {
                write!(out, "{}\n  {pair}", if first { "" } else { "," })?;
                first = false;
            }
            bar.inc(1);
        }
        match page.cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    writeln!(out, "\n]")?;
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}

/// One entry of the file: the value as text, or as base64 when it is none.
async fn pair(place: &Place, path: &str, key: Key) -> anyhow::Result<Option<Value>> {
    use http_body_util::BodyExt as _;
    let target = format!("{path}/values/{}", segment(&key.name));
    let value = match place.client().fetch(Method::GET, &target, &[], "").await {
        Ok(response) => response.into_body().collect().await?.to_bytes(),
        Err(selvedge_node::ClientError::Refused { status: http::StatusCode::NOT_FOUND, .. }) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut pair = json!({ "key": key.name });
    match String::from_utf8(value.into()) {
        Ok(text) => pair["value"] = text.into(),
        Err(bytes) => {
            use base64::Engine as _;
            pair["value"] = base64::engine::general_purpose::STANDARD.encode(bytes.as_bytes()).into();
            pair["base64"] = true.into();
        }
    }
    if let Some(at) = key.expiration {
        pair["expiration"] = at.into();
    }
    if let Some(metadata) = key.metadata {
        pair["metadata"] = metadata;
    }
    Ok(Some(pair))
}
