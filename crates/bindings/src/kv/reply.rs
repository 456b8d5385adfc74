//! Replies as the runtime reads them.

use futures_util::StreamExt as _;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use selvedge_kv::{CacheState, CacheStatus, Entry, Page, Value};
use serde::Serialize;

use super::METADATA;
use crate::body::{self, Body};

/// The value as the body; never with a content encoding, which the runtime would undo.
pub(super) fn entry(entry: Entry) -> Response<Body> {
    let mut response = match entry.value {
        Value::Inline(bytes) => Response::new(body::full(bytes)),
        value @ Value::File(_) => {
            let len = value.len();
            let mut response = Response::new(stream_value(value));
            response.headers_mut().insert(header::CONTENT_LENGTH, len.into());
            response
        }
    };
    let headers = response.headers_mut();
    if let Some(at) = entry.expiration {
        headers.insert("cf-expiration", at.into());
    }
    if let Some(value) = entry.metadata.and_then(|metadata| HeaderValue::try_from(one_line(&metadata)).ok()) {
        headers.insert(METADATA, value);
    }
    response
}

/// Says where the answer came from: `HIT` or `MISS`. To an `isolate` that keeps answers it also says, in
/// milliseconds, how old this one is and to what age it may be used: `HIT;1500;60000`.
pub(super) fn cache_state(response: &mut Response<Body>, state: Option<CacheState>, isolate: bool) {
    let Some(CacheState { status, age, lifetime }) = state else { return };
    let word = match status {
        CacheStatus::Hit => "HIT",
        CacheStatus::Miss => "MISS",
    };
    let value = if isolate {
        HeaderValue::try_from(format!("{word};{age};{lifetime}")).ok()
    } else {
        Some(HeaderValue::from_static(word))
    };
    if let Some(value) = value {
        response.headers_mut().insert("cf-cache-status", value);
    }
}

/// The same JSON without the characters that a header cannot carry. JSON has them as spacing only, but for
/// DEL, which a string may hold.
fn one_line(json: &str) -> String {
    json.replace('\u{7f}', "\\u007f").replace(|c: char| c.is_ascii_control(), " ")
}

/// Each piece was checked before it is sent; when one is not what was put, the body ends before it is whole, and
/// the runtime tells the Worker that the connection was lost.
fn stream_value(value: Value) -> Body {
    let pieces = value.into_stream().map(|piece| match piece {
        Ok(bytes) => Ok(Frame::data(bytes)),
        Err(error) => {
            super::log(&error);
            Err(std::io::Error::other(error))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

#[derive(Serialize)]
struct PageFields<'a> {
    keys: Vec<KeyFields<'a>>,
    list_complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct KeyFields<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u64>,
    /// A string that holds JSON: the runtime parses it once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
}

pub(super) fn page(page: &Page) -> Response<Body> {
    let keys = page.keys.iter().map(|key| KeyFields {
        name: &key.name,
        expiration: key.expiration,
        metadata: key.metadata.as_deref(),
    });
    let cursor = page.cursor.as_deref();
    let fields = PageFields { keys: keys.collect(), list_complete: cursor.is_none(), cursor };
    json(&fields)
}

pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => body::json(StatusCode::OK, bytes),
        Err(error) => {
            tracing::error!(%error, "a reply could not be written as JSON");
            body::refusal(StatusCode::INTERNAL_SERVER_ERROR, "The reply could not be written.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_on_one_line_is_the_same_json() {
        assert_eq!(one_line("{\r\n\t\"a\": \"\u{7f}é\"}"), r#"{   "a": "\u007fé"}"#);
    }
}
