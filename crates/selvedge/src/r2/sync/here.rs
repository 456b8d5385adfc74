//! The end that is here, as the other is spoken to.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, Method, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use selvedge_base::Millis;
use selvedge_node::{Body, Client, ClientError};
use selvedge_remote::{Entry, Meta};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tools::{Place, segment};

const CUSTOM: HeaderName = HeaderName::from_static("cf-r2-custom-metadata");
const CLASS: HeaderName = HeaderName::from_static("cf-r2-storage-class");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// A bucket of the data directory.
pub(super) struct Here {
    client: Client,
    path: String,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    size: u64,
    etag: String,
    last_modified: String,
}

/// The headers of a request to the API.
pub(super) type Headers = Vec<(HeaderName, String)>;

impl Here {
    pub(super) async fn new(place: &Place, bucket: &str) -> anyhow::Result<Self> {
        let path = crate::r2::path(place, bucket).await?;
        let client = place.client().clone();
        client
            .call::<Value>(Method::GET, &path, None)
            .await
            .with_context(|| format!("cannot open r2://{bucket}"))?;
        Ok(Self { client, path })
    }

    pub(super) fn entries<'h>(
        &'h self,
        prefix: &'h str,
    ) -> impl Stream<Item = anyhow::Result<Entry>> + Send + 'h {
        let pages = stream::try_unfold(Some(String::new()), move |cursor| async move {
            let Some(cursor) = cursor else { return Ok::<_, anyhow::Error>(None) };
            let (path, prefix, cursor) = (&self.path, segment(prefix), segment(&cursor));
            let target = format!("{path}/objects?prefix={prefix}&cursor={cursor}");
            let page = self.client.call::<Vec<Row>>(Method::GET, &target, None).await?;
            let entry = |row: Row| {
                let modified = Millis::parse_iso(&row.last_modified).unwrap_or(Millis(0));
                Ok(Entry { key: row.key, size: row.size, etag: row.etag, modified })
            };
            let entries: Vec<_> = page.result.into_iter().map(entry).collect();
            Ok(Some((entries, page.cursor)))
        });
        pages.flat_map(|page| stream::iter(page.unwrap_or_else(|error| vec![Err(error)])))
    }

    /// Metadata, size and bytes; `None` when there is no such object.
    pub(super) async fn get(&self, key: &str) -> anyhow::Result<Option<(Meta, u64, Incoming)>> {
        let response = match self.client.fetch(Method::GET, &self.object(key), &[], "").await {
            Err(ClientError::Refused { status: http::StatusCode::NOT_FOUND, .. }) => return Ok(None),
            other => other?,
        };
        let size = response.headers().get("content-length").and_then(|size| size.to_str().ok()?.parse().ok());
        let size = size.context("the node did not say how large the object is")?;
        Ok(Some((meta(response.headers())?, size, response.into_body())))
    }

    /// Writes an object of `size` bytes.
    pub(super) async fn put(
        &self,
        key: &str,
        mut headers: Headers,
        size: u64,
        body: Body,
    ) -> anyhow::Result<()> {
        headers.push((header::CONTENT_LENGTH, size.to_string()));
        self.send(Method::PUT, &self.object(key), &headers, body).await.map(drop)
    }

    pub(super) async fn begin(&self, key: &str, headers: &Headers) -> anyhow::Result<String> {
        let target = format!("{}/selvedge/uploads?key={}", self.path, segment(key));
        let answer = self.send(Method::POST, &target, headers, crate::tools::full(Vec::new())).await?;
        let id = answer["result"]["uploadId"].as_str().context("the node gave the upload no id")?;
        Ok(id.to_owned())
    }

    /// Answers what [`Here::complete`] wants to hear of the part.
    pub(super) async fn put_part(
        &self,
        key: &str,
        id: &str,
        number: u32,
        bytes: Vec<u8>,
    ) -> anyhow::Result<Value> {
        let target = format!("{}/selvedge/uploads/{id}/{number}?key={}", self.path, segment(key));
        let headers = vec![(header::CONTENT_LENGTH, bytes.len().to_string())];
        let answer = self.send(Method::PUT, &target, &headers, crate::tools::full(bytes)).await?;
        Ok(answer["result"].clone())
    }

    pub(super) async fn complete(&self, key: &str, id: &str, parts: &[Value]) -> anyhow::Result<()> {
        self.client.call::<Value>(Method::POST, &self.upload(key, id), Some(&json!(parts))).await?;
        Ok(())
    }

    pub(super) async fn abort(&self, key: &str, id: &str) -> anyhow::Result<()> {
        self.client.call::<Value>(Method::DELETE, &self.upload(key, id), None).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, keys: &[String]) -> anyhow::Result<()> {
        self.client
            .call::<Value>(Method::DELETE, &format!("{}/objects", self.path), Some(&json!(keys)))
            .await?;
        Ok(())
    }

    fn object(&self, key: &str) -> String {
        format!("{}/objects/{}", self.path, segment(key))
    }

    fn upload(&self, key: &str, id: &str) -> String {
        format!("{}/selvedge/uploads/{id}?key={}", self.path, segment(key))
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &Headers,
        body: Body,
    ) -> anyhow::Result<Value> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = self.client.fetch_with(method, target, &headers, body).await?;
        Ok(serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?)
    }
}

/// The headers that make the API keep `meta`. `etag` is verified when it is an MD5.
pub(super) fn headers(meta: Meta, etag: &str) -> Headers {
    let mut headers = meta.headers;
    // R2 has two classes: what is not the usual one is the other.
    if meta.class.is_some_and(|class| class != "STANDARD") {
        headers.push((CLASS, "InfrequentAccess".to_owned()));
    }
    if !meta.custom.is_empty() {
        let pairs: serde_json::Map<_, _> =
            meta.custom.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        headers.push((CUSTOM, ascii(&Value::Object(pairs).to_string())));
    }
    if let Some(md5) = super::plan::md5(etag) {
        headers.push((CONTENT_MD5, STANDARD.encode(md5)));
    }
    headers
}

fn meta(headers: &HeaderMap) -> anyhow::Result<Meta> {
    let custom: serde_json::Map<String, Value> = match headers.get(CUSTOM) {
        Some(json) => {
            serde_json::from_slice(json.as_bytes()).context("the node's metadata cannot be read")?
        }
        None => serde_json::Map::default(),
    };
    let custom =
        custom.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned()));
    Ok(Meta {
        headers: Meta::kept(headers, |value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        class: headers.get(CLASS).map(|_| "STANDARD_IA".to_owned()),
        custom: custom.collect(),
    })
}

/// JSON that a header can carry.
fn ascii(json: &str) -> String {
    let escaped = |unit: &u16| format!("\\u{unit:04x}");
    let shown = |char: char| {
        if char.is_ascii() {
            char.to_string()
        } else {
            char.encode_utf16(&mut [0; 2]).iter().map(escaped).collect()
        }
    };
    json.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_the_same_after_both_ways() {
        let given = Meta {
            headers: vec![(header::CONTENT_TYPE, "text/plain".to_owned())],
            class: Some("STANDARD_IA".to_owned()),
            custom: vec![("a".to_owned(), "größe 😀 \"".to_owned())],
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers(given.clone(), "") {
            map.insert(name, value.parse().unwrap());
        }
        assert!(map.values().all(|value| value.to_str().is_ok()));
        assert_eq!(meta(&map).unwrap(), given);
        let md5 = headers(Meta::default(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(md5, [(CONTENT_MD5, "XUFAKrxLKna5cZ2REBfFkg==".to_owned())]);
    }
}
