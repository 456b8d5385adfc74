//! Lists of objects, in S3's two versions.

use std::fmt::Write as _;

use s3s::dto::{
    ChecksumAlgorithm, CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, ObjectStorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use selvedge_r2::{ListOptions, Listing};

use crate::checksums::{kind_name, shown_algorithm};
use crate::metadata::class_name;
use crate::ops::owner;
use crate::service::Service;
use crate::{access, refusal, time};

/// Entries of one page.
const PAGE: i32 = 1000;

pub(crate) async fn first(
    service: &Service,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let asked = Asked {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        start: input.marker.clone().filter(|marker| !marker.is_empty()).map(Start::Behind),
        max_keys: max_keys(input.max_keys)?,
    };
    let (page, next) = asked.page(service, &input.bucket).await?;
    let output = ListObjectsOutput {
        common_prefixes: groups(&page, encoding),
        contents: Some(contents(page, encoding, true)),
        delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|text| encoding.text(text)),
        encoding_type: input.encoding_type,
        is_truncated: Some(next.is_some()),
        marker: Some(encoding.text(input.marker.unwrap_or_default())),
        max_keys: Some(asked.max_keys),
        name: Some(input.bucket),
        next_marker: next.map(|next| encoding.text(next.last)),
        prefix: Some(encoding.text(asked.prefix)),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

pub(crate) async fn second(
    service: &Service,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let start = match &input.continuation_token {
        Some(token) => Some(Start::At(token.clone())),
        None => input.start_after.clone().filter(|key| !key.is_empty()).map(Start::Behind),
    };
    let asked = Asked {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().unwrap_or_default(),
        start,
        max_keys: max_keys(input.max_keys)?,
    };
    let (page, next) = asked.page(service, &input.bucket).await?;
    let groups = groups(&page, encoding);
    let contents = contents(page, encoding, input.fetch_owner == Some(true));
    let count = contents.len() + groups.as_ref().map_or(0, Vec::len);
    let output = ListObjectsV2Output {
        common_prefixes: groups,
        contents: Some(contents),
        continuation_token: input.continuation_token,
        delimiter: input.delimiter.filter(|text| !text.is_empty()).map(|text| encoding.text(text)),
        encoding_type: input.encoding_type,
        is_truncated: Some(next.is_some()),
        key_count: Some(i32::try_from(count).unwrap_or(PAGE)),
        max_keys: Some(asked.max_keys),
        name: Some(input.bucket),
        next_continuation_token: next.map(|next| next.cursor),
        prefix: Some(encoding.text(asked.prefix)),
        start_after: input.start_after.map(|text| encoding.text(text)),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

/// More than a page is a page, as everywhere in S3; less than nothing is refused.
fn max_keys(asked: Option<i32>) -> S3Result<i32> {
    match asked.unwrap_or(PAGE) {
        asked if asked < 0 => Err(refusal::of(selvedge_r2::Error::InvalidMaxKeys)),
        asked => Ok(asked.min(PAGE)),
    }
}

enum Start {
    /// Where the page before ended.
    At(String),
    /// Behind this key, or, when it is a group, behind all of that.
    Behind(String),
}

struct Asked {
    prefix: String,
    delimiter: String,
    start: Option<Start>,
    max_keys: i32,
}

/// Where the next page begins.
struct Next {
    cursor: String,
    /// The last key or group of this page.
    last: String,
}

impl Asked {
    async fn page(&self, service: &Service, bucket: &str) -> S3Result<(Listing, Option<Next>)> {
        access::require_prefix(&self.prefix)?;
        let bucket = service.buckets.get(bucket).await?;
        if self.max_keys == 0 {
            return Ok((Listing::default(), None));
        }
        let mut options = ListOptions {
            limit: Some(i64::from(self.max_keys)),
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            ..ListOptions::default()
        };
        match &self.start {
            None => {}
            Some(Start::At(cursor)) => options.cursor = Some(cursor.clone()),
            Some(Start::Behind(key)) if self.is_group(key) => {
                options.after_group(key);
            }
            Some(Start::Behind(key)) => options.start_after = Some(key.clone()),
        }
        let page = bucket.list(&options).await.map_err(refusal::of)?;
        let next = page.cursor.clone().map(|cursor| {
            let object = page.objects.last().map_or("", |object| object.key.as_str());
            let group = page.groups.last().map_or("", String::as_str);
            Next { cursor, last: object.max(group).to_owned() }
        });
        Ok((page, next))
    }

    fn is_group(&self, key: &str) -> bool {
        let rest = key.strip_prefix(self.prefix.as_str());
        !self.delimiter.is_empty()
            && rest.is_some_and(|rest| {
                rest.find(&self.delimiter).is_some_and(|at| at + self.delimiter.len() == rest.len())
            })
    }
}

fn contents(page: Listing, encoding: Encoding, with_owner: bool) -> Vec<Object> {
    let shown = |object: selvedge_r2::Object| Object {
        checksum_algorithm: shown_algorithm(&object.checksums)
            .map(|name| vec![ChecksumAlgorithm::from_static(name)]),
        checksum_type: shown_algorithm(&object.checksums).map(|_| kind_name(object.checksum_kind)),
        e_tag: Some(ETag::Strong(object.etag)),
        key: Some(encoding.text(object.key)),
        last_modified: Some(time::timestamp(object.uploaded)),
        owner: with_owner.then(owner),
        size: Some(i64::try_from(object.size).unwrap_or(i64::MAX)),
        storage_class: Some(ObjectStorageClass::from_static(class_name(object.class))),
        ..Default::default()
    };
    page.objects.into_iter().map(shown).collect()
}

fn groups(page: &Listing, encoding: Encoding) -> Option<Vec<CommonPrefix>> {
    let shown = |group: &String| CommonPrefix { prefix: Some(encoding.text(group.clone())) };
    (!page.groups.is_empty()).then(|| page.groups.iter().map(shown).collect())
}

/// How keys are written in the XML, which cannot carry every character.
#[derive(Clone, Copy)]
pub(crate) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(crate) fn of(asked: Option<&EncodingType>) -> S3Result<Self> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => Err(refusal::invalid_argument("Invalid Encoding Method specified in Request")),
        }
    }

    pub(crate) fn text(self, text: String) -> String {
        match self {
            Self::Plain => text,
            Self::Url => url_encoded(&text),
        }
    }
}

fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_so_that_xml_can_carry_them() {
        assert_eq!(url_encoded("a/b c+d\n\u{e9}"), "a/b%20c%2Bd%0A%C3%A9");
    }

    #[test]
    fn a_marker_that_is_a_group_is_behind_all_of_it() {
        let asked = |prefix: &str, delimiter: &str| Asked {
            prefix: prefix.to_owned(),
            delimiter: delimiter.to_owned(),
            start: None,
            max_keys: 1,
        };
        assert!(asked("", "/").is_group("a/"));
        assert!(!asked("", "/").is_group("a/b"));
        assert!(!asked("", "/").is_group("a/b/"));
        assert!(asked("a/", "/").is_group("a/b/"));
        assert!(!asked("", "").is_group("a/"));
    }
}
