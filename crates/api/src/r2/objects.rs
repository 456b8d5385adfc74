//! Objects: their bytes as bodies, their metadata as headers.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use selvedge_base::Millis;
use selvedge_r2::{
    Algorithm, Bucket, Checksums, Conditions, Get, HttpMetadata, ListOptions, Object, PutOptions, Range,
    StorageClass,
};
use serde_json::{Value, json};

use crate::envelope::{Outcome, Refused, success, with_info};
use crate::request::Call;

/// Carries the custom metadata, as a JSON object of strings.
const CUSTOM: &str = "cf-r2-custom-metadata";

pub(super) async fn answer(bucket: &Bucket, call: Call, key: &str) -> Outcome {
    match (call.method(), key) {
        (&Method::GET, "") => list(bucket, &call).await,
        (&Method::GET, key) => get(bucket, &call, key).await,
        (&Method::PUT, key) => put(bucket, call, key).await,
        (&Method::DELETE, "") => {
            let mut call = call;
            let keys: Vec<String> = call.json().await?;
            let deleted = keys.len();
            bucket.delete(keys).await?;
            success(json!({ "deleted": deleted }))
        }
        (&Method::DELETE, key) => {
            bucket.delete(vec![key.to_owned()]).await?;
            success(json!({ "key": key }))
        }
        _ => Err(Refused::no_route()),
    }
}

pub(super) fn row(object: &Object) -> Value {
    let custom: serde_json::Map<_, _> =
        object.custom.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({
        "key": object.key,
        "etag": object.etag,
        "size": object.size,
        "last_modified": object.uploaded.iso(),
        "storage_class": object.class,
        "http_metadata": object.http,
        "custom_metadata": custom,
    })
}

async fn list(bucket: &Bucket, call: &Call) -> Outcome {
    let options = ListOptions {
        limit: Some(i64::try_from(call.number("per_page", 1000)?).unwrap_or(i64::MAX)),
        prefix: call.query("prefix").unwrap_or_default(),
        cursor: call.query("cursor").filter(|cursor| !cursor.is_empty()),
        delimiter: call.query("delimiter").unwrap_or_default(),
        start_after: call.query("start_after"),
        include_http: true,
        include_custom: true,
    };
    let page = bucket.list(&options).await?;
    let rows: Vec<_> = page.objects.iter().map(row).collect();
    let info = json!({
        "cursor": page.cursor.as_deref().unwrap_or_default(),
        "is_truncated": page.cursor.is_some(),
        "delimited": page.groups,
    });
    with_info(rows, Some(info))
}

async fn get(bucket: &Bucket, call: &Call, key: &str) -> Outcome {
    let range = match call.query("offset") {
        Some(offset) => Some(Range::From {
            offset: offset.parse().map_err(|_| Refused::bad_request("offset must be a number of bytes"))?,
            length: None,
        }),
        None => None,
    };
    let found = match bucket.get(key, range.as_ref(), &Conditions::default()).await? {
        Get::Found(found) => found,
        Get::Missing | Get::Unmet(_) => {
            let message = "The specified key does not exist.";
            return Err(Refused::new(StatusCode::NOT_FOUND, 10007, message));
        }
    };
    let (object, length) = (found.object, found.span.length);
    let chunks = found.content.into_stream().map_ok(Frame::data);
    let mut response = Response::new(StreamBody::new(chunks).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    let mut put = |name: HeaderName, value: Option<&str>| {
        if let Some(value) = value.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.insert(name, value);
        }
    };
    put(header::ETAG, Some(&format!("\"{}\"", object.etag)));
    put(header::CONTENT_TYPE, object.http.content_type.as_deref());
    put(header::CONTENT_LANGUAGE, object.http.content_language.as_deref());
    put(header::CONTENT_DISPOSITION, object.http.content_disposition.as_deref());
    put(header::CONTENT_ENCODING, object.http.content_encoding.as_deref());
    put(header::CACHE_CONTROL, object.http.cache_control.as_deref());
    put(header::EXPIRES, object.http.cache_expiry.and_then(http_date).as_deref());
    if object.class != StorageClass::Standard {
        put(HeaderName::from_static("cf-r2-storage-class"), Some(object.class.as_str()));
    }
    put(HeaderName::from_static(CUSTOM), Some(&row(&object)["custom_metadata"].to_string()));
    Ok(response)
}

async fn put(bucket: &Bucket, call: Call, key: &str) -> Outcome {
    let size = size(&call)?;
    let headers = &call.parts.headers;
    let options = PutOptions {
        http: metadata(headers),
        custom: custom(headers)?,
        class: super::class(headers)?,
        checksums: md5(headers)?,
        ..PutOptions::default()
    };
    let body = BodyDataStream::new(call.body).map_err(io::Error::other);
    let object = bucket.put(key, body, size, options).await?;
    success(row(&object))
}

pub(super) fn size(call: &Call) -> Result<u64, Refused> {
    let none = || Refused::new(StatusCode::LENGTH_REQUIRED, 10001, "an object needs a content-length");
    call.body.size_hint().exact().ok_or_else(none)
}

pub(super) fn custom(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refused> {
    let Some(json) = headers.get(CUSTOM) else { return Ok(Vec::new()) };
    let pairs: BTreeMap<String, String> = serde_json::from_slice(json.as_bytes())
        .map_err(|_| Refused::bad_request(format!("{CUSTOM} must be a JSON object of strings")))?;
    Ok(pairs.into_iter().collect())
}

/// What the body must be, when its sender knows.
pub(super) fn md5(headers: &HeaderMap) -> Result<Checksums, Refused> {
    let Some(given) = headers.get("content-md5") else { return Ok(Checksums::default()) };
    let bytes = STANDARD.decode(given.as_bytes()).ok().filter(|bytes| bytes.len() == Algorithm::Md5.size());
    let bytes = bytes.ok_or_else(|| Refused::bad_request("content-md5 must be an MD5 in base64"))?;
    Ok(Checksums::of(Algorithm::Md5, &bytes))
}

fn http_date(at: i64) -> Option<String> {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(at).ok()?))?;
    Some(httpdate::fmt_http_date(at))
}

/// Milliseconds since the epoch of an HTTP date, or of an ISO one.
fn moment(text: &str) -> Option<i64> {
    let http = || {
        let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(since.as_millis()).ok()
    };
    Millis::parse_iso(text).and_then(|at| i64::try_from(at.0).ok()).or_else(http)
}

pub(super) fn metadata(headers: &HeaderMap) -> HttpMetadata {
    let text = |name| {
        headers.get(name).and_then(|v: &HeaderValue| str::from_utf8(v.as_bytes()).ok()).map(str::to_owned)
    };
    HttpMetadata {
        content_type: text(header::CONTENT_TYPE),
        content_language: text(header::CONTENT_LANGUAGE),
        content_disposition: text(header::CONTENT_DISPOSITION),
        content_encoding: text(header::CONTENT_ENCODING),
        cache_control: text(header::CACHE_CONTROL),
        cache_expiry: text(header::EXPIRES).and_then(|date| moment(&date)),
    }
}
