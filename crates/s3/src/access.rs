//! Who is asking, and may they?

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Error, S3ErrorCode, S3Result};
use selvedge_base::SharedClock;
use selvedge_catalog::AccessKeys;

use crate::buckets::Buckets;
use crate::call::Call;
use crate::grant::{Grant, Need};
use crate::refusal::{access_denied, invalid_argument, refusal, unauthorized};
use crate::session::{self, Unusable};

/// The access keys, as `s3s` asks for them.
pub(crate) struct Signers {
    pub(crate) keys: AccessKeys,
    pub(crate) clock: SharedClock,
}

#[async_trait]
impl S3Auth for Signers {
    async fn get_secret_key(&self, id: &str) -> S3Result<SecretKey> {
        let key = self.keys.get(id).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "the access keys could not be read");
            S3Error::new(S3ErrorCode::InternalError)
        })?;
        let key = key.ok_or_else(unauthorized)?;
        let call = Call::current();
        let (secret, grant) = match &call.token {
            None => (key.secret.clone(), Grant::of(&key)),
            Some(token) => session::open(token, &key, self.clock.now()).map_err(|no| match no {
                Unusable::Malformed => invalid_argument("X-Amz-Security-Token"),
                Unusable::Forged => unauthorized(),
                Unusable::Expired => {
                    refusal("ExpiredToken", http::StatusCode::BAD_REQUEST, "The provided token has expired.")
                }
            })?,
        };
        call.set_grant(grant);
        Ok(SecretKey::from(secret))
    }
}

/// Asked for every operation after its signature was found right.
pub(crate) struct Rules {
    pub(crate) buckets: Buckets,
}

#[async_trait]
impl S3Access for Rules {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = request.s3_op().name();
        let (bucket, key) = (request.s3_path().get_bucket_name(), request.s3_path().get_object_key());
        if request.credentials().is_none() {
            return self.check_nobody(operation, bucket, request.uri().query()).await;
        }
        let call = Call::current();
        let Some(grant) = call.grant() else { return Err(unauthorized()) };
        if grant.covers(operation, bucket, key) { Ok(()) } else { Err(access_denied()) }
    }
}

impl Rules {
    /// Without a signature there is only reading, from buckets that their owner made public.
    async fn check_nobody(&self, operation: &str, bucket: Option<&str>, query: Option<&str>) -> S3Result<()> {
        let Some(bucket) = bucket else { return Err(unauthorized()) };
        if !matches!(operation, "GetObject" | "HeadObject") || !self.buckets.is_public(bucket).await? {
            return Err(unauthorized());
        }
        // Or a stranger could choose the type that a file of ours is shown as.
        if query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("response-"))) {
            return Err(S3Error::with_message(
                S3ErrorCode::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
        Ok(())
    }
}

/// Refuses when the signer of this call may not do `operation` with `key`, which the call names other than in its
/// path.
pub(crate) fn require(operation: &str, bucket: &str, key: Option<&str>) -> S3Result<()> {
    debug_assert!(Need::of(operation) != Need::Signature, "{operation} is not a known operation");
    match Call::current().grant() {
        Some(grant) if grant.covers(operation, Some(bucket), key) => Ok(()),
        _ => Err(access_denied()),
    }
}

/// Refuses when a session that is good for some keys lists others.
pub(crate) fn require_prefix(prefix: &str) -> S3Result<()> {
    match Call::current().grant() {
        Some(grant) if grant.covers_prefix(prefix) => Ok(()),
        _ => Err(access_denied()),
    }
}
