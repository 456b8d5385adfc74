//! Several keys in one request.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use selvedge_kv::{Entry, Refusal, View};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Problem, cache_ttl, reply};
use crate::body::Body;

/// Bytes of a request: far more than the largest one that would be granted.
const REQUEST: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The runtime sends the number as a string.
    cache_ttl: Option<serde_json::Value>,
    #[serde(default)]
    with_metadata: bool,
}

pub(super) async fn get(view: &View, body: &mut Incoming) -> Result<Response<Body>, Problem> {
    let request = Limited::new(body, REQUEST).collect().await.map_err(|_| Problem::BulkTooLong)?.to_bytes();
    let asked: Asked = serde_json::from_slice(&request).map_err(|_| Problem::BulkNotJson)?;
    let json = match asked.kind.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => return Err(Refusal::BulkType { given: other.to_owned() }.into()),
    };
    let cache_ttl = match &asked.cache_ttl {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(given)) => Some(cache_ttl(view.namespace(), given)?),
        Some(other) => Some(cache_ttl(view.namespace(), &other.to_string())?),
    };
    let entries = view.get_many(&asked.keys, cache_ttl).await?;
    let found = entries
        .into_iter()
        .map(|entry| entry.map(|entry| Found::new(entry, json, asked.with_metadata)).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    Ok(reply::json(&Answer { keys: &asked.keys, found: &found }))
}

/// A JSON object of what was found, or null, by key, in the order of the request.
struct Answer<'a> {
    keys: &'a [String],
    found: &'a [Option<Found>],
}

impl Serialize for Answer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.keys.len()))?;
        for (key, found) in self.keys.iter().zip(self.found) {
            map.serialize_entry(key, found)?;
        }
        map.end()
    }
}

/// What one key held.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Value(Shown),
    WithMetadata { value: Shown, metadata: Option<Box<RawValue>> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Text(String),
    Json(Box<RawValue>),
}

impl Found {
    fn new(entry: Entry<Bytes>, json: bool, with_metadata: bool) -> Result<Self, Refusal> {
        // A byte order mark is no part of the text.
        let value = entry.value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&entry.value);
        let value = if json {
            Shown::Json(serde_json::from_slice(value).map_err(|_| Refusal::BulkNotJson)?)
        } else {
            Shown::Text(String::from_utf8_lossy(value).into_owned())
        };
        if !with_metadata {
            return Ok(Self::Value(value));
        }
        let metadata = entry.metadata.and_then(|text| RawValue::from_string(text).ok());
        Ok(Self::WithMetadata { value, metadata })
    }
}
