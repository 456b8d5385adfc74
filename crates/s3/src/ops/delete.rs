//! Removing objects.

use std::collections::HashSet;

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use crate::service::Service;
use crate::{access, refusal};

/// Keys of one request.
const KEYS: usize = 1000;

pub(crate) async fn one(
    service: &Service,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let bucket = service.buckets.get(&request.input.bucket).await?;
    bucket.delete(vec![request.input.key]).await.map_err(refusal::of)?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(crate) async fn several(
    service: &Service,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let DeleteObjectsInput { bucket: name, delete, .. } = request.input;
    if delete.objects.is_empty() || delete.objects.len() > KEYS {
        return Err(S3Error::with_message(
            S3ErrorCode::MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema.",
        ));
    }
    let bucket = service.buckets.get(&name).await?;
    let (mut allowed, mut errors) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for object in delete.objects {
        if let Err(no) = access::require("DeleteObjects", &name, Some(&object.key)) {
            errors.push(shown_error(object.key, &no));
        } else if object.key.is_empty() || object.key.len() > 1024 {
            errors.push(shown_error(object.key, &refusal::of(selvedge_r2::Error::InvalidObjectName)));
        } else if seen.insert(object.key.clone()) {
            allowed.push(object.key);
        }
    }
    bucket.delete(allowed.clone()).await.map_err(refusal::of)?;
    let deleted = if delete.quiet == Some(true) {
        None
    } else {
        let shown = |key| DeletedObject { key: Some(key), ..Default::default() };
        Some(allowed.into_iter().map(shown).collect())
    };
    let errors = (!errors.is_empty()).then_some(errors);
    Ok(S3Response::new(DeleteObjectsOutput { deleted, errors, ..Default::default() }))
}

fn shown_error(key: String, error: &S3Error) -> Error {
    Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
