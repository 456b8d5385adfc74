//! Writing objects in one piece.

use s3s::dto::{ETag, PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result};
use selvedge_r2::{Bucket, PutOptions};

use crate::checksums::{self, kind_name, show_checksums, shown_algorithm};
use crate::metadata::{self, headers_of, refuse_unkept};
use crate::ops::read::expiration;
use crate::ops::upload::{self, Upload};
use crate::service::Service;
use crate::{access, conditions, ssec};

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let input = request.input;
    refuse_unkept(&request.headers)?;
    let given = checksums::given(&request.headers, request.trailing_headers)?;
    let ssec = ssec::key(&request.headers, ssec::OWN)?;
    let options = PutOptions {
        conditions: conditions::OWN.read(&request.headers)?,
        http: headers_of!(input),
        custom: metadata::custom(input.metadata),
        class: metadata::storage_class(input.storage_class.as_ref())?,
        checksums: given.checksums,
        count: given.count,
        trailer: given.trailer,
        ssec: ssec.clone(),
    };
    let size = upload::size(input.content_length, &request.headers)?;
    let bucket = bucket_for_upload(service, &input.bucket, &request.headers).await?;
    let (body, fault) = Upload::new(input.body);
    let object = bucket.put(&input.key, body, size, options).await.map_err(|error| fault.explain(error))?;
    let mut output = PutObjectOutput { expiration: expiration(&bucket, &object), ..Default::default() };
    show_checksums!(output, &object.checksums, object.checksum_kind, None);
    output.checksum_type = shown_algorithm(&object.checksums).map(|_| kind_name(object.checksum_kind));
    (output.sse_customer_algorithm, output.sse_customer_key_md5) = ssec::shown(ssec.as_ref());
    output.e_tag = Some(ETag::Strong(object.etag));
    Ok(S3Response::new(output))
}

/// The bucket, made when it is missing and the request has R2's extension for that.
pub(crate) async fn bucket_for_upload(
    service: &Service,
    name: &str,
    headers: &http::HeaderMap,
) -> S3Result<Bucket> {
    if headers.get("cf-create-bucket-if-missing").is_some_and(|value| value == "true")
        && !service.buckets.exists(name).await?
    {
        access::require("CreateBucket", name, None)?;
        service.buckets.create_if_missing(name).await?;
    }
    service.buckets.get(name).await
}
