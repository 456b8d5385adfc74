//! A bucket's CORS rules.

use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{CorsAllowed, CorsRule};

use crate::refusal;
use crate::service::Service;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketCorsInput>,
) -> S3Result<S3Response<GetBucketCorsOutput>> {
    let rules = service.buckets.get(&request.input.bucket).await?.cors();
    let rules = rules.ok_or_else(|| {
        S3Error::with_message(S3ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist.")
    })?;
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let shown = |rule: CorsRule| CORSRule {
        allowed_headers: some(rule.allowed.headers),
        allowed_methods: rule.allowed.methods,
        allowed_origins: rule.allowed.origins,
        expose_headers: some(rule.expose_headers),
        id: rule.id,
        max_age_seconds: rule.max_age_seconds.and_then(|age| i32::try_from(age).ok()),
    };
    let cors_rules = Some(rules.into_iter().map(shown).collect());
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules }))
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketCorsInput>,
) -> S3Result<S3Response<PutBucketCorsOutput>> {
    let input = request.input;
    let bucket = service.buckets.get(&input.bucket).await?;
    let read = |rule: CORSRule| {
        let age = rule.max_age_seconds.map(u32::try_from).transpose();
        Ok(CorsRule {
            id: rule.id,
            allowed: CorsAllowed {
                origins: rule.allowed_origins,
                methods: rule.allowed_methods,
                headers: rule.allowed_headers.unwrap_or_default(),
            },
            expose_headers: rule.expose_headers.unwrap_or_default(),
            max_age_seconds: age.map_err(|_| refusal::invalid_argument("MaxAgeSeconds is negative."))?,
        })
    };
    let rules: S3Result<Vec<CorsRule>> = input.cors_configuration.cors_rules.into_iter().map(read).collect();
    bucket.set_cors(Some(rules?)).await.map_err(refusal::of)?;
    Ok(S3Response::new(PutBucketCorsOutput::default()))
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketCorsInput>,
) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
    let bucket = service.buckets.get(&request.input.bucket).await?;
    bucket.set_cors(None).await.map_err(refusal::of)?;
    Ok(S3Response::new(DeleteBucketCorsOutput::default()))
}
