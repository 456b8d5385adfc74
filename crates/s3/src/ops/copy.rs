//! Objects and parts made of other objects.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag, MetadataDirective,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{CopyMetadata, CopyOptions, PartCopyOptions};

use crate::checksums::{self, kind_name, show_checksums, shown_algorithm};
use crate::metadata::{self, headers_of, refuse_unkept};
use crate::ops::multipart;
use crate::refusal::{self, invalid_argument, no_such_key, not_implemented};
use crate::service::Service;
use crate::{access, conditions, ssec, time};

/// Bucket and key of a source that the signer may read.
fn source(source: CopySource) -> S3Result<(String, String)> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(not_implemented("A copy source is a bucket and a key."));
    };
    metadata::refuse_version(version_id.as_deref())?;
    if key.is_empty() {
        return Err(invalid_argument("x-amz-copy-source has no key."));
    }
    access::require("GetObject", &bucket, Some(&key))?;
    Ok((bucket.into(), key.into()))
}

pub(crate) async fn object(
    service: &Service,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let input = request.input;
    let headers = &request.headers;
    refuse_unkept(headers)?;
    let (source_bucket, source_key) = source(input.copy_source)?;
    let (http, custom) = (headers_of!(input), metadata::custom(input.metadata));
    let metadata = match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        None | Some("COPY") => CopyMetadata::Copy,
        Some("REPLACE") => CopyMetadata::Replace { http, custom },
        Some("MERGE") => CopyMetadata::Merge { http, custom },
        Some(_) => return Err(invalid_argument("Unknown metadata directive.")),
    };
    let class = metadata::storage_class(input.storage_class.as_ref())?;
    let ssec = ssec::key(headers, ssec::OWN)?;
    let changes = !matches!(metadata, CopyMetadata::Copy) || class.is_some() || ssec.is_some();
    if !changes && source_bucket == input.bucket && source_key == input.key {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let count = input.checksum_algorithm.map(|name| checksums::named(name.as_str())).transpose()?;
    let options = CopyOptions {
        source_conditions: conditions::COPY_SOURCE.read(headers)?,
        source_ssec: ssec::key(headers, ssec::COPY_SOURCE)?,
        conditions: conditions::COPY_DESTINATION.read(headers)?,
        metadata,
        class,
        count: count.into_iter().collect(),
        ssec: ssec.clone(),
    };
    let from = service.buckets.get(&source_bucket).await?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let object = bucket.copy(&input.key, &from, &source_key, options).await.map_err(refusal::of)?;
    let mut result = CopyObjectResult::default();
    show_checksums!(result, &object.checksums, object.checksum_kind, None);
    result.checksum_type = shown_algorithm(&object.checksums).map(|_| kind_name(object.checksum_kind));
    result.last_modified = Some(time::timestamp(object.uploaded));
    result.e_tag = Some(ETag::Strong(object.etag));
    let mut output = CopyObjectOutput { copy_object_result: Some(result), ..Default::default() };
    (output.sse_customer_algorithm, output.sse_customer_key_md5) = ssec::shown(ssec.as_ref());
    Ok(S3Response::new(output))
}

pub(crate) async fn part(
    service: &Service,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let input = request.input;
    let headers = &request.headers;
    let (source_bucket, source_key) = source(input.copy_source)?;
    let number = multipart::number(input.part_number)?;
    let ssec = ssec::key(headers, ssec::OWN)?;
    let from = service.buckets.get(&source_bucket).await?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let range = match input.copy_source_range.as_deref() {
        None => None,
        Some(text) => {
            let (first, last) = range(text)?;
            let size = from.head(&source_key).await.map_err(refusal::of)?.ok_or_else(no_such_key)?.size;
            if last >= size {
                return Err(refusal::of(selvedge_r2::Error::InvalidRange));
            }
            Some(selvedge_r2::Range::From { offset: first, length: Some(last - first + 1) })
        }
    };
    let options = PartCopyOptions {
        range,
        source_conditions: conditions::COPY_SOURCE.read(headers)?,
        source_ssec: ssec::key(headers, ssec::COPY_SOURCE)?,
        ssec: ssec.clone(),
    };
    let source = (&from, source_key.as_str());
    let part = bucket.upload_part_copy(&input.key, &input.upload_id, number, source, options).await;
    let part = part.map_err(refusal::of)?;
    let mut result = CopyPartResult::default();
    show_checksums!(result, &part.checksums, selvedge_r2::ChecksumKind::Whole, None);
    result.last_modified = Some(time::timestamp(part.uploaded));
    result.e_tag = Some(ETag::Strong(part.etag));
    let mut output = UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() };
    (output.sse_customer_algorithm, output.sse_customer_key_md5) = ssec::shown(ssec.as_ref());
    Ok(S3Response::new(output))
}

/// `bytes=first-last`, with both.
fn range(text: &str) -> S3Result<(u64, u64)> {
    let number = |text: &str| match text {
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        _ => None,
    };
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        Some((number(first)?, number(last)?)).filter(|(first, last): &(u64, u64)| first <= last)
    });
    parsed.ok_or_else(|| {
        invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends() {
        assert_eq!(range("bytes=0-9").unwrap(), (0, 9));
        for no in ["0-9", "bytes=0-", "bytes=-9", "bytes=9-0", "bytes=+0-9", "bytes=0-9-", "bytes=0,1", ""] {
            assert!(range(no).is_err(), "{no}");
        }
    }
}
