//! Reading objects.

use s3s::dto::{
    ChecksumMode, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, Range,
    StreamingBlob, TimestampFormat,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{Bucket, Conditions, Content, Get, GetOptions, Head, Object, Span};

use crate::checksums::{kind_name, show_checksums, shown_algorithm};
use crate::conditions::{self, is_unchanged};
use crate::metadata::{self, NO_TYPE, shown_class};
use crate::refusal::{self, invalid_argument, no_such_key};
use crate::service::Service;
use crate::{ssec, time};

/// Fills the fields that `GetObjectOutput` and `HeadObjectOutput` both have.
macro_rules! describe {
    ($output:expr, $shown:expr) => {{
        let (output, shown): (_, Shown) = (&mut $output, $shown);
        let Shown { object, span, asked, expiration } = shown;
        output.accept_ranges = Some("bytes".to_owned());
        output.content_length = Some(i64::try_from(span.length).unwrap_or(i64::MAX));
        if asked.options.range.is_some() && object.size > 0 {
            let last = (span.offset + span.length).saturating_sub(1);
            output.content_range = Some(format!("bytes {}-{last}/{}", span.offset, object.size));
        }
        if asked.with_checksums && !asked.is_range {
            show_checksums!(*output, &object.checksums, object.checksum_kind, object.parts());
            output.checksum_type =
                shown_algorithm(&object.checksums).map(|_| kind_name(object.checksum_kind));
        }
        if asked.by_part {
            output.parts_count = object.parts().and_then(|parts| i32::try_from(parts).ok());
        }
        output.expiration = expiration;
        (output.sse_customer_algorithm, output.sse_customer_key_md5) =
            ssec::shown(asked.options.ssec.as_ref());
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
    }};
}

/// What a read asks for.
struct Asked {
    options: GetOptions,
    by_part: bool,
    is_range: bool,
    with_checksums: bool,
}

/// What it is shown.
struct Shown {
    object: Object,
    span: Span,
    asked: Asked,
    expiration: Option<String>,
}

impl Asked {
    fn read(
        headers: &http::HeaderMap,
        range: Option<&Range>,
        part: Option<i32>,
        version: Option<&str>,
        checksums: Option<&ChecksumMode>,
    ) -> S3Result<Self> {
        metadata::refuse_version(version)?;
        let range = match (range, part) {
            (Some(_), Some(_)) => {
                return Err(S3Error::with_message(
                    S3ErrorCode::InvalidRequest,
                    "Cannot specify both Range header and partNumber query parameter",
                ));
            }
            (Some(range), None) => Some(match *range {
                Range::Int { first, last } => selvedge_r2::Range::From {
                    offset: first,
                    length: last.map(|last| last.saturating_sub(first).saturating_add(1)),
                },
                Range::Suffix { length } => selvedge_r2::Range::Suffix(length),
            }),
            (None, Some(part)) => {
                let number = u32::try_from(part).ok().filter(|number| (1..=10_000).contains(number));
                let number = number.ok_or_else(|| {
                    invalid_argument("Part number must be an integer between 1 and 10000, inclusive")
                })?;
                Some(selvedge_r2::Range::Part(number))
            }
            (None, None) => None,
        };
        Ok(Self {
            by_part: part.is_some(),
            is_range: range.is_some(),
            with_checksums: checksums.is_some_and(|mode| mode.as_str().eq_ignore_ascii_case("ENABLED")),
            options: GetOptions {
                range,
                conditions: conditions::OWN.read(headers)?,
                ssec: ssec::key(headers, ssec::OWN)?,
            },
        })
    }

    /// A refusal of the engine. A part that an object does not have is no range to S3.
    fn refuse(&self, error: selvedge_r2::Error) -> S3Error {
        match error {
            selvedge_r2::Error::InvalidRange if self.by_part => {
                S3Error::with_message(S3ErrorCode::InvalidPart, "The requested partnumber is not satisfiable")
            }
            error => refusal::of(error),
        }
    }
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

/// `x-amz-expiration`: when a lifecycle rule will delete the object.
pub(crate) fn expiration(bucket: &Bucket, object: &Object) -> Option<String> {
    let (at, rule) = bucket.expiration(object)?;
    let mut date = Vec::new();
    time::timestamp(at).format(TimestampFormat::HttpDate, &mut date).ok()?;
    let date = String::from_utf8(date).ok()?;
    let rule: String = rule.chars().map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' }).collect();
    Some(format!("expiry-date=\"{date}\", rule-id=\"{rule}\""))
}

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let input = request.input;
    let (version, mode) = (input.version_id.as_deref(), input.checksum_mode.as_ref());
    let asked = Asked::read(&request.headers, input.range.as_ref(), input.part_number, version, mode)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let found = match bucket.get_with(&input.key, &asked.options).await.map_err(|no| asked.refuse(no))? {
        Get::Missing => return Err(no_such_key()),
        Get::Unmet(object) => return Err(unmet(&asked.options.conditions, &object)),
        Get::Found(found) => *found,
    };
    let expiration = expiration(&bucket, &found.object);
    let mut output = GetObjectOutput::default();
    describe!(output, Shown { object: found.object, span: found.span, asked, expiration });
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
    let (version, mode) = (input.version_id.as_deref(), input.checksum_mode.as_ref());
    let asked = Asked::read(&request.headers, input.range.as_ref(), input.part_number, version, mode)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let (object, span) =
        match bucket.head_with(&input.key, &asked.options).await.map_err(|no| asked.refuse(no))? {
            Head::Missing => return Err(no_such_key()),
            Head::Unmet(object) => return Err(unmet(&asked.options.conditions, &object)),
            Head::Found(object, span) => (*object, span),
        };
    let expiration = expiration(&bucket, &object);
    let mut output = HeadObjectOutput::default();
    describe!(output, Shown { object, span, asked, expiration });
    Ok(S3Response::new(output))
}
