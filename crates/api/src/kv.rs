//! `storage/kv/namespaces`: namespaces, values, keys and bulk operations.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyDataStream;
use selvedge_base::random_hex;
use selvedge_catalog::ResourceKind;
use selvedge_kv::{BulkOutcome, Entry, Error, ListOptions, Namespace, Pair, PutOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::{Outcome, Refused, full, paged, success, with_info};
use crate::request::Call;
use crate::server::Api;

/// Carries a value's metadata, as JSON, beside the value.
const METADATA: &str = "cf-kv-metadata";

pub(crate) async fn answer(api: &Api, mut call: Call, path: &[&str]) -> Outcome {
    let method = call.method().clone();
    match (&method, path) {
        (&Method::GET, []) => list_namespaces(api, &call).await,
        (&Method::POST, []) => create(api, &mut call).await,
        (_, [id, rest @ ..]) => {
            let namespace = find(api, id).await?;
            match (&method, rest) {
                (&Method::PUT, []) => rename(api, id, &mut call).await,
                (&Method::DELETE, []) => delete(api, id).await,
                (&Method::POST, ["selvedge", "check"]) => check(&namespace).await,
                (&Method::GET, ["values", key]) => get(&namespace, key).await,
                (&Method::PUT, ["values", key]) => put(&namespace, key, call).await,
                (&Method::DELETE, ["values", key]) => {
                    namespace.delete(key).await?;
                    success(json!({}))
                }
                (&Method::GET, ["keys"]) => list(&namespace, &call).await,
                (&Method::PUT, ["bulk"]) => bulk_put(&namespace, &mut call).await,
                (&Method::DELETE, ["bulk"]) | (&Method::POST, ["bulk", "delete"]) => {
                    bulk_delete(&namespace, &mut call).await
                }
                (&Method::POST, ["bulk", "get"]) => bulk_get(&namespace, &mut call).await,
                _ => Err(Refused::no_route()),
            }
        }
        _ => Err(Refused::no_route()),
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match &error {
            Error::Refused(no) => {
                let status = StatusCode::from_u16(no.status()).unwrap_or(StatusCode::BAD_REQUEST);
                Self::new(status, 10033, no.to_string())
            }
            Error::Sender(_) => Self::bad_request("the value did not arrive whole"),
            _ if error.is_disk_full() => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, 10002, "the disk is full: nothing was stored")
            }
            _ => Self::internal(&error),
        }
    }
}

#[derive(Serialize)]
struct NamespaceRow {
    id: String,
    title: String,
    supports_url_encoding: bool,
}

async fn list_namespaces(api: &Api, call: &Call) -> Outcome {
    let named = api.catalog.resources(ResourceKind::Kv).await?;
    let rows = named.into_iter().map(|(id, title)| NamespaceRow { id, title, supports_url_encoding: true });
    let rows: Vec<_> = rows.collect();
    paged(&rows, call.number("page", 1)?, call.number("per_page", 20)?)
}

#[derive(Deserialize)]
struct Wanted {
    title: String,
    /// Ours: the id that a config has chosen. One that is there already is no mistake.
    id: Option<String>,
}

async fn check_title(api: &Api, title: &str) -> Result<(), Refused> {
    if title.is_empty() {
        return Err(Refused::bad_request("a namespace needs a title"));
    }
    let named = api.catalog.resources(ResourceKind::Kv).await?;
    if named.iter().any(|(_, taken)| taken == title) {
        let message = "a namespace with this account ID and title already exists";
        return Err(Refused::new(StatusCode::BAD_REQUEST, 10014, message));
    }
    Ok(())
}

async fn create(api: &Api, call: &mut Call) -> Outcome {
    let Wanted { title, id } = call.json().await?;
    let id = if let Some(id) = id {
        id
    } else {
        check_title(api, &title).await?;
        random_hex(&*api.clock, 16)
    };
    api.kv.namespace(&id).await?;
    api.catalog.name_resource(ResourceKind::Kv, &id, &title).await?;
    success(NamespaceRow { id, title, supports_url_encoding: true })
}

async fn rename(api: &Api, id: &str, call: &mut Call) -> Outcome {
    let Wanted { title, .. } = call.json().await?;
    check_title(api, &title).await?;
    api.catalog.name_resource(ResourceKind::Kv, id, &title).await?;
    success(json!({}))
}

async fn find(api: &Api, id: &str) -> Result<Namespace, Refused> {
    if api.catalog.resource_name(ResourceKind::Kv, id).await?.is_none() {
        return Err(Refused::new(StatusCode::NOT_FOUND, 10013, format!("namespace {id:?} not found")));
    }
    Ok(api.kv.namespace(id).await?)
}

async fn get(namespace: &Namespace, key: &str) -> Outcome {
    let Some(Entry { value, metadata, expiration }) = namespace.get_with_metadata(key).await? else {
        return Err(Refused::new(StatusCode::NOT_FOUND, 10009, "get: 'key not found'"));
    };
    let bytes = value.into_bytes().await.map_err(|error| Refused::internal(&error))?;
    let mut response = Response::new(full(bytes));
    if let Some(at) = expiration {
        response.headers_mut().insert("expiration", at.into());
    }
    if let Some(metadata) = metadata.and_then(|json| HeaderValue::try_from(json).ok()) {
        response.headers_mut().insert(METADATA, metadata);
    }
    Ok(response)
}

async fn put(namespace: &Namespace, key: &str, call: Call) -> Outcome {
    let metadata = match call.parts.headers.get(METADATA) {
        Some(value) => {
            let text = str::from_utf8(value.as_bytes());
            Some(text.map_err(|_| Refused::bad_request("metadata must be UTF-8"))?.to_owned())
        }
        None => None,
    };
    let whole = |name: &str| match call.query(name) {
        Some(given) => given.parse().map(Some).map_err(|_| {
            Refused::bad_request(format!("{name} must be a whole number of seconds, not {given:?}"))
        }),
        None => Ok(None),
    };
    let (expiration, expiration_ttl) = (whole("expiration")?, whole("expiration_ttl")?);
    let length = call.body.size_hint().exact();
    let options = PutOptions { expiration, expiration_ttl, metadata, length };
    namespace.put_stream(key, BodyDataStream::new(call.body).map_err(io::Error::other), &options).await?;
    success(json!({}))
}

async fn list(namespace: &Namespace, call: &Call) -> Outcome {
    #[derive(Serialize)]
    struct Listed {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        expiration: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Value>,
    }
    let prefix = call.query("prefix").unwrap_or_default();
    let cursor = call.query("cursor");
    let limit = i64::try_from(call.number("limit", 1000)?).unwrap_or(i64::MAX);
    let options = ListOptions { prefix: &prefix, limit: Some(limit), cursor: cursor.as_deref() };
    let page = namespace.list(&options).await?;
    let rows = page.keys.into_iter().map(|key| Listed {
        name: key.name,
        expiration: key.expiration,
        metadata: key.metadata.and_then(|text| serde_json::from_str(&text).ok()),
    });
    let rows: Vec<_> = rows.collect();
    let info = json!({ "count": rows.len(), "cursor": page.cursor.unwrap_or_default() });
    with_info(rows, Some(info))
}

#[derive(Deserialize)]
struct Row {
    key: String,
    value: String,
    #[serde(default)]
    base64: bool,
    expiration: Option<i64>,
    expiration_ttl: Option<i64>,
    metadata: Option<Value>,
}

impl Row {
    /// Or the key, and what is wrong with its value.
    fn into_pair(self) -> Result<Pair, (String, String)> {
        let value = if self.base64 {
            match STANDARD.decode(&self.value) {
                Ok(bytes) => bytes.into(),
                Err(error) => return Err((self.key, format!("the value is not base64: {error}"))),
            }
        } else {
            self.value.into()
        };
        let metadata = self.metadata.filter(|json| !json.is_null()).map(|json| json.to_string());
        let (expiration, expiration_ttl) = (self.expiration, self.expiration_ttl);
        Ok(Pair {
            key: self.key,
            value,
            options: PutOptions { expiration, expiration_ttl, metadata, length: None },
        })
    }
}

/// Every pair is put or named in `unsuccessful_keys`, with why in `errors_by_key`.
async fn bulk_put(namespace: &Namespace, call: &mut Call) -> Outcome {
    let rows: Vec<Row> = call.json().await?;
    let (mut pairs, mut errors) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for row in rows {
        match row.into_pair() {
            Ok(pair) => pairs.push(pair),
            Err((key, why)) => drop(errors.insert(key, why)),
        }
    }
    let done = if pairs.is_empty() { BulkOutcome::default() } else { namespace.put_bulk(pairs).await? };
    tally(done, errors)
}

async fn bulk_delete(namespace: &Namespace, call: &mut Call) -> Outcome {
    tally(namespace.delete_bulk(call.json().await?).await?, BTreeMap::new())
}

fn tally(outcome: BulkOutcome, mut errors: BTreeMap<String, String>) -> Outcome {
    errors.extend(outcome.refused.into_iter().map(|(key, why)| (key, why.to_string())));
    success(json!({
        "successful_key_count": outcome.done,
        "unsuccessful_keys": errors.keys().collect::<Vec<_>>(),
        "errors_by_key": errors,
    }))
}

/// Holds every value against its checksum.
async fn check(namespace: &Namespace) -> Outcome {
    let report = namespace.check(|_| ()).await?;
    let damaged =
        report.damaged.iter().map(|damaged| json!({ "key": damaged.key, "problem": damaged.problem }));
    success(json!({
        "sound": report.is_sound(),
        "values": report.values,
        "bytes": report.bytes,
        "damaged_count": report.damaged_count,
        "damaged": damaged.collect::<Vec<_>>(),
        "orphan_count": report.orphan_count,
        "orphans": report.orphans,
        "database": report.database,
    }))
}

async fn delete(api: &Api, id: &str) -> Outcome {
    api.check_unbound(ResourceKind::Kv, id)?;
    // Forgotten first: what is left of a deletion that is cut short is files that nobody names.
    api.catalog.forget_resource(ResourceKind::Kv, id).await?;
    api.kv.delete_namespace(id).await?;
    success(json!({}))
}

async fn bulk_get(namespace: &Namespace, call: &mut Call) -> Outcome {
    #[derive(Deserialize)]
    struct Wanted {
        keys: Vec<String>,
        #[serde(default, rename = "type")]
        kind: Option<String>,
        #[serde(default, rename = "withMetadata")]
        with_metadata: bool,
    }
    let wanted: Wanted = call.json().await?;
    let as_json = wanted.kind.as_deref() == Some("json");
    let found = namespace.get_many(&wanted.keys).await?;
    let mut values = serde_json::Map::new();
    for (key, entry) in wanted.keys.into_iter().zip(found) {
        let Some(Entry { value, metadata, expiration }) = entry else {
            values.insert(key, Value::Null);
            continue;
        };
        let value = if as_json {
            serde_json::from_slice(&value).map_err(|_| {
                Refused::bad_request("At least one of the requested keys corresponds to a non-json value")
            })?
        } else {
            Value::String(String::from_utf8_lossy(&value).into_owned())
        };
        let row = if wanted.with_metadata {
            let metadata = metadata.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            json!({ "value": value, "metadata": metadata, "expiration": expiration })
        } else {
            value
        };
        values.insert(key, row);
    }
    success(json!({ "values": values }))
}
