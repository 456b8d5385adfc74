//! Reading objects.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{Algorithm, Conditions, Content, Get, Object};

use crate::conditions::{self, is_unchanged};
use crate::metadata::{self, NO_TYPE, shown_checksum, shown_class};
use crate::refusal::{self, no_such_key};
use crate::service::Service;
use crate::time;

/// Fills the fields that `GetObjectOutput` and `HeadObjectOutput` both have.
macro_rules! describe {
    ($output:expr, $object:expr, $checksums:expr) => {{
        let (output, object): (_, Object) = (&mut $output, $object);
        output.accept_ranges = Some("bytes".to_owned());
        output.expires = metadata::expires(&object.http);
        output.cache_control = metadata::header(object.http.cache_control);
        output.content_disposition = metadata::header(object.http.content_disposition);
        output.content_encoding = metadata::header(object.http.content_encoding);
        output.content_language = metadata::header(object.http.content_language);
        let content_type = metadata::header(object.http.content_type);
        output.content_type = Some(content_type.unwrap_or_else(|| NO_TYPE.to_owned()));
        output.e_tag = Some(ETag::Strong(object.etag));
        output.last_modified = Some(time::timestamp(object.uploaded));
        (output.metadata, output.missing_meta) = metadata::shown(object.custom);
        output.storage_class = shown_class(object.class);
        if $checksums {
            output.checksum_sha1 = shown_checksum(&object.checksums, Algorithm::Sha1);
            output.checksum_sha256 = shown_checksum(&object.checksums, Algorithm::Sha256);
        }
    }};
}

fn range(asked: Option<&Range>) -> Option<selvedge_r2::Range> {
    asked.map(|range| match *range {
        Range::Int { first, last } => selvedge_r2::Range::From {
            offset: first,
            length: last.map(|last| last.saturating_sub(first).saturating_add(1)),
        },
        Range::Suffix { length } => selvedge_r2::Range::Suffix(length),
    })
}

/// Tells a reader whose conditions `object` does not meet.
fn unmet(conditions: &Conditions, object: &Object) -> S3Error {
    if !is_unchanged(conditions, object) {
        return refusal::of(selvedge_r2::Error::PreconditionFailed);
    }
    let mut error = S3Error::with_message(S3ErrorCode::NotModified, "Not Modified");
    let mut headers = http::HeaderMap::new();
    if let Ok(etag) = format!("\"{}\"", object.etag).try_into() {
        headers.insert(http::header::ETAG, etag);
    }
    let mut date = Vec::new();
    let format = time::timestamp(object.uploaded).format(TimestampFormat::HttpDate, &mut date);
    if let (Ok(()), Ok(date)) = (format, http::HeaderValue::from_bytes(&date)) {
        headers.insert(http::header::LAST_MODIFIED, date);
    }
    if let Some(Ok(cache)) = object.http.cache_control.as_deref().map(str::parse) {
        headers.insert(http::header::CACHE_CONTROL, cache);
    }
    error.set_headers(headers);
    error
}

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = request.input;
    let conditions = conditions::OWN.read(&request.headers)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let range = range(input.range.as_ref());
    let found = match bucket.get(&input.key, range.as_ref(), &conditions).await.map_err(refusal::of)? {
        Get::Missing => return Err(no_such_key()),
        Get::Unmet(object) => return Err(unmet(&conditions, &object)),
        Get::Found(found) => *found,
    };
    let (size, span) = (found.object.size, found.span);
    let mut output = GetObjectOutput::default();
    describe!(output, found.object, range.is_none());
    output.content_length = Some(i64::try_from(span.length).unwrap_or(i64::MAX));
    if range.is_some() {
        let last = (span.offset + span.length).saturating_sub(1);
        output.content_range = Some(format!("bytes {}-{last}/{size}", span.offset));
    }
    output.body = Some(match found.content {
        Content::Inline(bytes) => StreamingBlob::from(s3s::Body::from(bytes)),
        Content::Stream(stream) => StreamingBlob::wrap(stream),
    });
    Ok(S3Response::new(output))
}

pub(crate) async fn head(
    service: &Service,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let conditions = conditions::OWN.read(&request.headers)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let Some(object) = bucket.head(&input.key).await.map_err(refusal::of)? else {
        return Err(no_such_key());
    };
    if !conditions.hold(Some((object.etag.as_str(), object.uploaded))) {
        return Err(unmet(&conditions, &object));
    }
    let mut output = HeadObjectOutput::default();
    let mut length = object.size;
    if let Some(range) = range(input.range.as_ref()) {
        let span = range.resolve(object.size).map_err(refusal::of)?;
        let last = (span.offset + span.length).saturating_sub(1);
        output.content_range = Some(format!("bytes {}-{last}/{}", span.offset, object.size));
        length = span.length;
    }
    output.content_length = Some(i64::try_from(length).unwrap_or(i64::MAX));
    describe!(output, object, input.range.is_none());
    Ok(S3Response::new(output))
}
