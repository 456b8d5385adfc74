//! What an object carries beside its bytes, between S3's headers and the engine.

use http::{HeaderName, HeaderValue};
use s3s::dto::{self, Metadata, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};
use selvedge_r2::{HttpMetadata, StorageClass};

use crate::refusal::{header_not_implemented, invalid_argument, not_implemented};
use crate::time;

/// The type of an object that was put without one.
pub(crate) const NO_TYPE: &str = "application/octet-stream";

/// The kept headers of an input that has them as fields.
macro_rules! headers_of {
    ($input:ident) => {
        selvedge_r2::HttpMetadata {
            content_type: $input.content_type.clone(),
            content_language: $input.content_language.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.as_deref().and_then(crate::metadata::without_chunks),
            cache_control: $input.cache_control.clone(),
            cache_expiry: $input.expires.as_ref().map(crate::time::millis),
        }
    };
}
pub(crate) use headers_of;

/// `aws-chunked` is how a body came, and not what the object is.
pub(crate) fn without_chunks(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// Custom metadata in an order of its own, since headers have none.
pub(crate) fn custom(metadata: Option<Metadata>) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = metadata.unwrap_or_default().into_iter().collect();
    pairs.sort();
    pairs
}

/// As S3 can show it: without names that no header can have, of which it only says how many there are.
pub(crate) fn shown(pairs: Vec<(String, String)>) -> (Option<Metadata>, Option<i32>) {
    let mut metadata = Metadata::default();
    let mut missing = 0;
    for (name, value) in pairs {
        if HeaderName::try_from(format!("x-amz-meta-{name}")).is_ok() {
            metadata.insert(name.to_ascii_lowercase(), value);
        } else {
            missing += 1;
        }
    }
    ((!metadata.is_empty()).then_some(metadata), (missing > 0).then_some(missing))
}

/// A value that was stored through the binding may be one that no header can carry.
pub(crate) fn header(value: Option<String>) -> Option<String> {
    value.filter(|value| HeaderValue::from_str(value).is_ok())
}

pub(crate) fn expires(http: &HttpMetadata) -> Option<Timestamp> {
    let at = u64::try_from(http.cache_expiry?).ok()?;
    Some(time::timestamp(selvedge_base::Millis(at)))
}

/// `None` leaves it to the bucket.
pub(crate) fn storage_class(class: Option<&dto::StorageClass>) -> S3Result<Option<StorageClass>> {
    match class.map(dto::StorageClass::as_str) {
        None => Ok(None),
        Some("STANDARD") => Ok(Some(StorageClass::Standard)),
        Some("STANDARD_IA") => Ok(Some(StorageClass::InfrequentAccess)),
        Some(_) => Err(S3Error::with_message(
            S3ErrorCode::InvalidStorageClass,
            "The storage class you specified is not valid.",
        )),
    }
}

/// There is one version of an object, which S3 calls `null`. To ignore another could remove what was not meant.
pub(crate) fn refuse_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(not_implemented("Versions of objects are not implemented.")),
    }
}

pub(crate) fn class_name(class: StorageClass) -> &'static str {
    match class {
        StorageClass::Standard => "STANDARD",
        StorageClass::InfrequentAccess => "STANDARD_IA",
    }
}

/// Names only a class that is not the usual one, as S3 does.
pub(crate) fn shown_class(class: StorageClass) -> Option<dto::StorageClass> {
    (class != StorageClass::Standard).then(|| dto::StorageClass::from_static(class_name(class)))
}

/// Refuses headers that ask for what R2 does not do, and where ignoring them would be a lie.
pub(crate) fn refuse_unkept(headers: &http::HeaderMap) -> S3Result<()> {
    if headers.contains_key("x-amz-server-side-encryption")
        && headers.contains_key("x-amz-server-side-encryption-customer-algorithm")
    {
        return Err(invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        ));
    }
    for (name, value) in headers {
        let (name, value) = (name.as_str(), value.to_str().unwrap_or_default());
        let unkept = match name {
            "x-amz-server-side-encryption" => value != "AES256",
            "x-amz-server-side-encryption-aws-kms-key-id"
            | "x-amz-website-redirect-location"
            | "x-amz-tagging"
            | "x-amz-bucket-object-lock-enabled" => true,
            _ => name.starts_with("x-amz-object-lock-"),
        };
        if unkept && !(name == "x-amz-bucket-object-lock-enabled" && value.eq_ignore_ascii_case("false")) {
            return Err(header_not_implemented(name, value));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunks_of_a_body_are_not_its_encoding() {
        assert_eq!(without_chunks("aws-chunked"), None);
        assert_eq!(without_chunks("aws-chunked, gzip").as_deref(), Some("gzip"));
        assert_eq!(without_chunks("gzip").as_deref(), Some("gzip"));
    }

    #[test]
    fn names_that_no_header_can_have_are_counted() {
        let pairs = [("a", "1"), ("größe", "2"), ("b c", "3")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (shown, missing) = shown(pairs);
        assert_eq!(shown.unwrap().len(), 1);
        assert_eq!(missing, Some(2));
        assert_eq!(header(Some("a\nb".to_owned())), None);
    }

    #[test]
    fn what_is_not_kept_is_refused() {
        let refused = |name: &'static str, value: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            refuse_unkept(&headers).is_err()
        };
        assert!(refused("x-amz-server-side-encryption", "aws:kms"));
        assert!(!refused("x-amz-server-side-encryption", "AES256"));
        assert!(refused("x-amz-tagging", "a=b"));
        assert!(refused("x-amz-object-lock-mode", "GOVERNANCE"));
        assert!(!refused("x-amz-bucket-object-lock-enabled", "false"));
        assert!(!refused("x-amz-acl", "public-read"));
    }
}
