//! Buckets themselves.

use http::HeaderMap;
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    DeleteBucketOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput, ListBucketsOutput,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{BucketInfo, BucketOptions, ListBuckets};

use crate::metadata::refuse_unkept;
use crate::ops::owner;
use crate::refusal::invalid_argument;
use crate::service::Service;
use crate::time;

/// Buckets of one page.
const PAGE: usize = 1000;

/// R2's one region, and what else means it.
const REGIONS: [&str; 3] = ["auto", "us-east-1", ""];

/// R2 pages the list of buckets as S3 pages objects, by parameters or, for clients that cannot set those, headers.
pub(crate) async fn list(
    service: &Service,
    request: &S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let asked = |name: &str| extension(&request.headers, request.uri.query(), name);
    let limit = match asked("max-keys") {
        Some(text) => Some(text.parse().map_err(|_| invalid_argument("max-keys is not a number"))?),
        None => request.input.max_buckets,
    };
    let limit = limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE).clamp(1, PAGE));
    let prefix = asked("prefix").or_else(|| request.input.prefix.clone()).unwrap_or_default();
    let token = asked("continuation-token").or_else(|| request.input.continuation_token.clone());
    let after = token.or_else(|| asked("start-after")).unwrap_or_default();
    let options = ListBuckets { limit: Some(limit), prefix: prefix.clone(), start_after: Some(after) };
    let page = service.buckets.list(&options).await?;
    let next = page.buckets.last().map(|bucket| bucket.name.clone()).filter(|_| page.truncated);
    let shown = |bucket: BucketInfo| Bucket {
        creation_date: Some(time::timestamp(bucket.created)),
        name: Some(bucket.name),
        ..Bucket::default()
    };
    let buckets = page.buckets.into_iter().map(shown).collect();
    let mut response = S3Response::new(ListBucketsOutput {
        buckets: Some(buckets),
        continuation_token: next.clone(),
        owner: Some(owner()),
        prefix: (!prefix.is_empty()).then_some(prefix),
    });
    if let Some(next) = next.and_then(|next| next.parse().ok()) {
        response.headers.insert("cf-is-truncated", http::HeaderValue::from_static("true"));
        response.headers.insert("cf-next-continuation-token", next);
    }
    Ok(response)
}

/// `cf-<name>` among the headers, else `<name>` in the query.
fn extension(headers: &HeaderMap, query: Option<&str>, name: &str) -> Option<String> {
    if let Some(value) = headers.get(format!("cf-{name}")) {
        return value.to_str().ok().map(str::to_owned);
    }
    crate::guard::parameter(query?, name)
}

pub(crate) async fn create(
    service: &Service,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    refuse_unkept(&request.headers)?;
    let name = request.input.bucket;
    let constraint = request.input.create_bucket_configuration.and_then(|c| c.location_constraint);
    let location = constraint.map(|constraint| constraint.as_str().to_ascii_lowercase());
    let hint = location.filter(|location| !REGIONS.contains(&location.as_str()));
    if hint.as_ref().is_some_and(|hint| !HINTS.contains(&hint.as_str())) {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidLocationConstraint,
            "The specified location constraint is not valid.",
        ));
    }
    let options = BucketOptions { location: hint, ..BucketOptions::default() };
    service.buckets.create(&name, &options).await?;
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{name}")) }))
}

/// R2's location hints. There is one place here, so they are taken and mean nothing.
const HINTS: [&str; 6] = ["wnam", "enam", "weur", "eeur", "apac", "oc"];

pub(crate) async fn head(
    service: &Service,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    service.buckets.get(&request.input.bucket).await?;
    Ok(S3Response::new(HeadBucketOutput { bucket_region: Some("auto".to_owned()), ..Default::default() }))
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    service.buckets.delete(&request.input.bucket).await?;
    Ok(S3Response::new(DeleteBucketOutput {}))
}

pub(crate) async fn location(
    service: &Service,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    service.buckets.get(&request.input.bucket).await?;
    let location_constraint = Some(BucketLocationConstraint::from_static("auto"));
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
}

/// R2 says of every bucket that it is encrypted at rest. Here that is up to the disk.
pub(crate) async fn encryption(
    service: &Service,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    service.buckets.get(&request.input.bucket).await?;
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        }),
        bucket_key_enabled: Some(true),
    };
    Ok(S3Response::new(GetBucketEncryptionOutput {
        server_side_encryption_configuration: Some(ServerSideEncryptionConfiguration { rules: vec![rule] }),
    }))
}
