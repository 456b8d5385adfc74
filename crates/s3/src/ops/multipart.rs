//! Objects that arrive in parts.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{ClaimedPart, CreateOptions};

use crate::metadata::{self, Headers, refuse_unkept};
use crate::ops::upload::{self, Upload};
use crate::ops::write::bucket_for_upload;
use crate::refusal;
use crate::service::Service;

pub(crate) async fn create(
    service: &Service,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let input = request.input;
    refuse_unkept(&request.headers)?;
    let options = CreateOptions {
        http: Headers {
            content_type: input.content_type,
            content_language: input.content_language,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            cache_control: input.cache_control,
            expires: input.expires,
        }
        .into_http(),
        custom: metadata::custom(input.metadata),
        class: metadata::storage_class(input.storage_class.as_ref())?,
    };
    let bucket = bucket_for_upload(service, &input.bucket, &request.headers).await?;
    let id = bucket.create_multipart(&input.key, options).await.map_err(refusal::of)?;
    Ok(S3Response::new(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(id),
        ..Default::default()
    }))
}

pub(crate) async fn part(
    service: &Service,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let input = request.input;
    let size = upload::size(input.content_length)?;
    let number = number(input.part_number)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    let (body, fault) = Upload::new(input.body);
    let etag = bucket.upload_part(&input.key, &input.upload_id, number, body, size).await;
    let etag = etag.map_err(|error| fault.explain(error))?;
    Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() }))
}

fn number(asked: i32) -> S3Result<u32> {
    u32::try_from(asked).ok().filter(|number| (1..=10_000).contains(number)).ok_or_else(|| {
        refusal::invalid_argument(format!(
            "Part number must be between 1 and 10000 (inclusive). Actual value was: {asked}"
        ))
    })
}

pub(crate) async fn complete(
    service: &Service,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let input = request.input;
    let malformed = || {
        S3Error::with_message(
            S3ErrorCode::MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema.",
        )
    };
    let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if listed.is_empty() {
        return Err(malformed());
    }
    let mut parts: Vec<ClaimedPart> = Vec::with_capacity(listed.len());
    for part in listed {
        let number = part.part_number.ok_or_else(malformed)?;
        let etag = part.e_tag.ok_or_else(malformed)?.into_value();
        let number = u32::try_from(number).map_err(|_| malformed())?;
        if parts.last().is_some_and(|before| before.number >= number) {
            return Err(refusal::of(selvedge_r2::Error::RepeatedPart));
        }
        parts.push(ClaimedPart { number, etag });
    }
    let bucket = service.buckets.get(&input.bucket).await?;
    let object = bucket.complete_multipart(&input.key, &input.upload_id, parts).await;
    let object = object.map_err(refusal::of)?;
    Ok(S3Response::new(CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(ETag::Strong(object.etag)),
        ..Default::default()
    }))
}

pub(crate) async fn abort(
    service: &Service,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    let bucket = service.buckets.get(&input.bucket).await?;
    bucket.abort_multipart(&input.key, &input.upload_id).await.map_err(refusal::of)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
