//! Removing objects.

use std::collections::HashSet;

use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{Conditions, Error, EtagMatcher};

use crate::service::Service;
use crate::{access, conditions, metadata, refusal};

/// Keys of one request.
const KEYS: usize = 1000;

pub(crate) async fn one(
    service: &Service,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = request.input;
    metadata::refuse_version(input.version_id.as_deref())?;
    let conditions = conditions::OWN.read(&request.headers)?;
    let bucket = service.buckets.get(&input.bucket).await?;
    match bucket.delete_if(&input.key, conditions).await {
        // What is not there needs no deleting, whatever it was to be.
        Err(Error::PreconditionFailed) if bucket.head(&input.key).await.map_err(refusal::of)?.is_none() => {}
        outcome => drop(outcome.map_err(refusal::of)?),
    }
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
    let (mut wanted, mut deleted, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for object in delete.objects {
        let refused = access::require("DeleteObjects", &name, Some(&object.key))
            .and_then(|()| metadata::refuse_version(object.version_id.as_deref()));
        if let Err(no) = refused {
            errors.push(shown_error(object.key, &no));
        } else if seen.insert(object.key.clone()) {
            let etag = object.e_tag.map(|etag| EtagMatcher::Strong(etag.into_value()));
            let conditions = Conditions { etag_matches: etag.into_iter().collect(), ..Conditions::default() };
            wanted.push((object.key, conditions));
        }
    }
    let keys: Vec<String> = wanted.iter().map(|(key, _)| key.clone()).collect();
    let outcomes = bucket.delete_each(wanted).await.map_err(refusal::of)?;
    for (key, outcome) in keys.into_iter().zip(outcomes) {
        match outcome {
            Ok(_) => deleted.push(DeletedObject { key: Some(key), ..Default::default() }),
            Err(no) => errors.push(shown_error(key, &refusal::of(no))),
        }
    }
    let quiet = delete.quiet == Some(true);
    Ok(S3Response::new(DeleteObjectsOutput {
        deleted: (!quiet && !deleted.is_empty()).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    }))
}

fn shown_error(key: String, error: &S3Error) -> dto::Error {
    dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: error.message().map(str::to_owned),
        version_id: None,
    }
}
