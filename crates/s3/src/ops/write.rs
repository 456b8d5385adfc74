//! Writing objects in one piece.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};
use selvedge_r2::{Algorithm, Bucket, Checksums, PutOptions};

use crate::metadata::{self, Headers, add_checksum, refuse_unkept, shown_checksum};
use crate::ops::upload::{self, Upload};
use crate::service::Service;
use crate::{access, conditions};

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let input = request.input;
    refuse_unkept(&request.headers)?;
    let mut checksums = Checksums::default();
    add_checksum(&mut checksums, Algorithm::Md5, 16, input.content_md5.as_deref())?;
    add_checksum(&mut checksums, Algorithm::Sha1, 20, input.checksum_sha1.as_deref())?;
    add_checksum(&mut checksums, Algorithm::Sha256, 32, input.checksum_sha256.as_deref())?;
    let options = PutOptions {
        conditions: conditions::OWN.read(&request.headers)?,
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
        checksums,
    };
    let size = upload::size(input.content_length)?;
    let bucket = bucket_for_upload(service, &input.bucket, &request.headers).await?;
    let (body, fault) = Upload::new(input.body);
    let object = bucket.put(&input.key, body, size, options).await.map_err(|error| fault.explain(error))?;
    let output = PutObjectOutput {
        checksum_sha1: shown_checksum(&object.checksums, Algorithm::Sha1),
        checksum_sha256: shown_checksum(&object.checksums, Algorithm::Sha256),
        e_tag: Some(ETag::Strong(object.etag)),
        ..Default::default()
    };
    Ok(S3Response::new(output))
}

/// The bucket, made when it is missing and the request has R2's extension for that.
pub(crate) async fn bucket_for_upload(
    service: &Service,
    name: &str,
    headers: &http::HeaderMap,
) -> S3Result<Bucket> {
    if headers.get("cf-create-bucket-if-missing").is_some_and(|value| value == "true") {
        access::require("CreateBucket", name, None)?;
        service.buckets.create(name).await?;
    }
    service.buckets.get(name).await
}
