//! Uploads by HTML forms, which R2 does not have: an extra.

use http::{HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{PostObjectInput, PostObjectOutput, PutObjectInput};
use s3s::{S3Request, S3Response, S3Result};

use crate::refusal::not_implemented;
use crate::service::Service;
use crate::{access, ops};

/// What the fields of the form say is what headers say of a put.
pub(crate) async fn post(
    service: &Service,
    mut request: S3Request<PostObjectInput>,
) -> S3Result<S3Response<PostObjectOutput>> {
    let input = &request.input;
    access::require("PutObject", &input.bucket, Some(&input.key))?;
    if input.sse_customer_algorithm.is_some() || input.sse_customer_key.is_some() {
        return Err(not_implemented("A form cannot bring a key to encrypt with."));
    }
    let mut headers = HeaderMap::new();
    let fields = [
        ("content-md5", input.content_md5.clone()),
        ("x-amz-checksum-crc32", input.checksum_crc32.clone()),
        ("x-amz-checksum-crc32c", input.checksum_crc32c.clone()),
        ("x-amz-checksum-crc64nvme", input.checksum_crc64nvme.clone()),
        ("x-amz-checksum-sha1", input.checksum_sha1.clone()),
        ("x-amz-checksum-sha256", input.checksum_sha256.clone()),
        ("x-amz-tagging", input.tagging.clone()),
        ("x-amz-website-redirect-location", input.website_redirect_location.clone()),
        (
            "x-amz-server-side-encryption",
            input.server_side_encryption.as_ref().map(|v| v.as_str().to_owned()),
        ),
        ("x-amz-object-lock-mode", input.object_lock_mode.as_ref().map(|v| v.as_str().to_owned())),
    ];
    for (name, value) in fields {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    request.headers = headers;
    request.trailing_headers = None;
    let as_put = |form: PostObjectInput| PutObjectInput {
        body: form.body,
        bucket: form.bucket,
        cache_control: form.cache_control,
        content_disposition: form.content_disposition,
        content_encoding: form.content_encoding,
        content_language: form.content_language,
        content_length: form.content_length,
        content_type: form.content_type,
        expires: form.expires,
        key: form.key,
        metadata: form.metadata,
        storage_class: form.storage_class,
        ..PutObjectInput::default()
    };
    let put = ops::write::put(service, request.map_input(as_put)).await?;
    Ok(put.map_output(|put| PostObjectOutput { e_tag: put.e_tag, ..PostObjectOutput::default() }))
}
