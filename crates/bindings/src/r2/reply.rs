//! Replies as the runtime reads them.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use selvedge_r2::{Algorithm, Content, Error, Found, HttpMetadata, Listing, Object, Span};
use serde::Serialize;

use super::frame::METADATA_SIZE;
use super::request::Listed;
use crate::body::{self, Body};

const ERROR: HeaderName = HeaderName::from_static("cf-r2-error");

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectFields<'a> {
    name: &'a str,
    version: &'a str,
    etag: &'a str,
    size: u64,
    /// Whole milliseconds: the runtime fails on a fraction.
    uploaded: u64,
    storage_class: &'static str,
    checksums: ChecksumFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_fields: Option<&'a HttpMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_fields: Option<Vec<CustomField<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<RangeFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ssec: Option<SsecFields<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SsecFields<'a> {
    algorithm: &'static str,
    /// In base64.
    key_md5: &'a str,
}

#[derive(Serialize)]
struct ChecksumFields<'a> {
    #[serde(rename = "0", skip_serializing_if = "Option::is_none")]
    md5: Option<&'a str>,
    #[serde(rename = "1", skip_serializing_if = "Option::is_none")]
    sha1: Option<&'a str>,
    #[serde(rename = "2", skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(rename = "3", skip_serializing_if = "Option::is_none")]
    sha384: Option<&'a str>,
    #[serde(rename = "4", skip_serializing_if = "Option::is_none")]
    sha512: Option<&'a str>,
}

#[derive(Serialize)]
struct CustomField<'a> {
    k: &'a str,
    v: &'a str,
}

/// Both, always: the runtime takes a missing one for the largest number there is.
#[derive(Serialize)]
struct RangeFields {
    offset: u64,
    length: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListingFields<'a> {
    objects: Vec<ObjectFields<'a>>,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    delimited_prefixes: &'a [String],
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    version: u32,
    v4code: u32,
    message: &'a str,
}

impl<'a> ObjectFields<'a> {
    fn new(object: &'a Object, listed: Listed, range: Option<Span>) -> Self {
        let checksum = |algorithm| object.checksums.get(algorithm);
        Self {
            name: &object.key,
            version: &object.version,
            etag: &object.etag,
            size: object.size,
            uploaded: object.uploaded.0,
            storage_class: object.class.as_str(),
            checksums: ChecksumFields {
                md5: checksum(Algorithm::Md5),
                sha1: checksum(Algorithm::Sha1),
                sha256: checksum(Algorithm::Sha256),
                sha384: checksum(Algorithm::Sha384),
                sha512: checksum(Algorithm::Sha512),
            },
            http_fields: listed.http.then_some(&object.http),
            custom_fields: listed
                .custom
                .then(|| object.custom.iter().map(|(k, v)| CustomField { k, v }).collect()),
            range: range.map(|span| RangeFields { offset: span.offset, length: span.length }),
            ssec: object.ssec.as_ref().map(|s| SsecFields { algorithm: "AES256", key_md5: s.key_md5() }),
        }
    }

    fn whole(object: &'a Object) -> Self {
        Self::new(object, Listed { http: true, custom: true }, Some(Span { offset: 0, length: object.size }))
    }
}

/// The reply to a head.
pub(super) fn object(object: &Object) -> Response<Body> {
    json(&ObjectFields::whole(object))
}

/// The reply to a write.
pub(super) fn object_without_range(object: &Object) -> Response<Body> {
    json(&ObjectFields::new(object, Listed { http: true, custom: true }, None))
}

/// The reply to a get whose conditions do not hold: an error that brings the object along.
pub(super) fn unmet(object: &Object) -> Response<Body> {
    let mut response = json(&ObjectFields::whole(object));
    mark(&mut response, &Error::PreconditionFailed);
    response
}

/// The reply to a get.
pub(super) fn found(found: Found) -> Response<Body> {
    let Found { object, span, content } = found;
    let listed = Listed { http: true, custom: true };
    let mut start = encode(&ObjectFields::new(&object, listed, Some(span)));
    let metadata_size = start.len();
    let length = metadata_size as u64 + span.length;
    let mut response = match content {
        Content::Inline(bytes) => {
            start.extend_from_slice(&bytes);
            Response::new(body::full(start))
        }
        Content::Stream(content) => {
            let whole = stream::once(async { Ok(Bytes::from(start)) }).chain(content);
            Response::new(StreamBody::new(whole.map_ok(Frame::data)).boxed_unsync())
        }
    };
    response.headers_mut().insert(METADATA_SIZE, metadata_size.into());
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

/// The reply to a list.
pub(super) fn listing(listing: &Listing, listed: Listed) -> Response<Body> {
    json(&ListingFields {
        objects: listing.objects.iter().map(|object| ObjectFields::new(object, listed, None)).collect(),
        truncated: listing.cursor.is_some(),
        cursor: listing.cursor.as_deref(),
        delimited_prefixes: &listing.groups,
    })
}

/// JSON and nothing behind it.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    let bytes = encode(value);
    let size = bytes.len();
    let mut response = body::json(StatusCode::OK, bytes);
    response.headers_mut().insert(METADATA_SIZE, size.into());
    response
}

/// A refusal.
pub(super) fn error(error: &Error) -> Response<Body> {
    let mut response = body::empty(StatusCode::OK);
    mark(&mut response, error);
    response
}

fn mark(response: &mut Response<Body>, error: &Error) {
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = ErrorFields { version: 1, v4code: error.v4code(), message: &error.message() };
    if let Ok(value) = HeaderValue::from_bytes(&encode(&fields)) {
        response.headers_mut().insert(ERROR, value);
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Structs of strings and numbers always have a JSON form.
    serde_json::to_vec(value).unwrap_or_default()
}
