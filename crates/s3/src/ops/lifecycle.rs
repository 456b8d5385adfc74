//! A bucket's lifecycle rules. R2 has whole days of S3's as seconds, prefixes and no tags or sizes, and no versions.

use s3s::dto::{
    AbortIncompleteMultipartUpload, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    ExpirationStatus, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, Timestamp, TimestampFormat, Transition, TransitionStorageClass,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use selvedge_r2::{
    ClassTransition, LifecycleCondition, LifecycleRule as Rule, LifecycleScope, Moment,
    StorageClass as Class, Transition as Delay,
};

use crate::refusal::{self, invalid_argument, not_implemented};
use crate::service::Service;
use crate::time;

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

pub(crate) async fn get(
    service: &Service,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let rules = service.buckets.get(&request.input.bucket).await?.lifecycle();
    if rules.is_empty() {
        return Err(S3Error::with_message(
            S3ErrorCode::NoSuchLifecycleConfiguration,
            "The lifecycle configuration does not exist.",
        ));
    }
    let rules = Some(rules.into_iter().map(shown).collect());
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput { rules, ..Default::default() }))
}

pub(crate) async fn put(
    service: &Service,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let input = request.input;
    let bucket = service.buckets.get(&input.bucket).await?;
    let rules = input.lifecycle_configuration.ok_or(S3ErrorCode::MalformedXML)?.rules;
    let mut read_rules: Vec<Rule> = Vec::with_capacity(rules.len());
    for (at, rule) in rules.into_iter().enumerate() {
        read_rules.push(read(rule, at)?);
    }
    bucket.set_lifecycle(Some(read_rules)).await.map_err(refusal::of)?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput::default()))
}

pub(crate) async fn delete(
    service: &Service,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    let bucket = service.buckets.get(&request.input.bucket).await?;
    bucket.set_lifecycle(Some(Vec::new())).await.map_err(refusal::of)?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput::default()))
}

fn read(rule: LifecycleRule, at: usize) -> S3Result<Rule> {
    if rule.noncurrent_version_expiration.is_some() || rule.noncurrent_version_transitions.is_some() {
        return Err(not_implemented("Lifecycle rules for versions of objects are not implemented."));
    }
    let id = rule.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("rule-{}", at + 1));
    if id.len() > 255 {
        return Err(invalid_argument("The ID of a lifecycle rule has up to 255 characters."));
    }
    let enabled = match rule.status.as_str() {
        ExpirationStatus::ENABLED => true,
        ExpirationStatus::DISABLED => false,
        _ => return Err(S3ErrorCode::MalformedXML.into()),
    };
    let delete = match rule.expiration {
        None => None,
        Some(LifecycleExpiration { expired_object_delete_marker: Some(true), .. }) => {
            return Err(not_implemented("Delete markers are not implemented."));
        }
        Some(expiration) => Some(Delay { condition: condition(expiration.days, expiration.date)? }),
    };
    let abort = match rule.abort_incomplete_multipart_upload {
        None => None,
        Some(abort) => Some(Delay { condition: condition(abort.days_after_initiation, None)? }),
    };
    let mut transitions = Vec::new();
    for transition in rule.transitions.unwrap_or_default() {
        match transition.storage_class.as_ref().map(TransitionStorageClass::as_str) {
            Some("STANDARD_IA") => {}
            _ => return Err(S3ErrorCode::InvalidStorageClass.into()),
        }
        transitions.push(ClassTransition {
            condition: condition(transition.days, transition.date)?,
            storage_class: Class::InfrequentAccess,
        });
    }
    Ok(Rule {
        id,
        enabled,
        conditions: LifecycleScope { prefix: prefix(rule.prefix, rule.filter)? },
        delete_objects_transition: delete,
        abort_multipart_uploads_transition: abort,
        storage_class_transitions: transitions,
    })
}

fn prefix(old: Option<String>, filter: Option<LifecycleRuleFilter>) -> S3Result<String> {
    let Some(filter) = filter else { return Ok(old.unwrap_or_default()) };
    let and = filter.and.unwrap_or_default();
    let other = filter.tag.is_some()
        || and.tags.is_some_and(|tags| !tags.is_empty())
        || filter.object_size_greater_than.or(and.object_size_greater_than).is_some()
        || filter.object_size_less_than.or(and.object_size_less_than).is_some();
    if other {
        return Err(not_implemented("Lifecycle rules select objects by the prefix of their keys only."));
    }
    Ok(filter.prefix.or(and.prefix).or(old).unwrap_or_default())
}

fn condition(days: Option<i32>, date: Option<Timestamp>) -> S3Result<LifecycleCondition> {
    match (days, date) {
        (Some(days), None) => {
            let days = u64::try_from(days).ok().filter(|days| *days > 0);
            let days = days
                .ok_or_else(|| invalid_argument("'Days' in a lifecycle action must be a positive integer"))?;
            Ok(LifecycleCondition::Age { max_age: days * DAY })
        }
        (None, Some(date)) => {
            if time::millis(&date) % i64::try_from(DAY * 1000).unwrap_or(1) != 0 {
                return Err(invalid_argument("'Date' must be at midnight GMT"));
            }
            let mut text = Vec::new();
            date.format(TimestampFormat::DateTime, &mut text).map_err(S3Error::internal_error)?;
            let text = String::from_utf8(text).unwrap_or_default();
            let date = Moment::try_from(text).map_err(invalid_argument)?;
            Ok(LifecycleCondition::Date { date })
        }
        _ => Err(S3ErrorCode::MalformedXML.into()),
    }
}

fn shown(rule: Rule) -> LifecycleRule {
    let status = if rule.enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    let expiration = rule.delete_objects_transition.map(|delay| {
        let (days, date) = days_or_date(&delay.condition);
        LifecycleExpiration { date, days, ..Default::default() }
    });
    let abort = rule.abort_multipart_uploads_transition.map(|delay| AbortIncompleteMultipartUpload {
        days_after_initiation: days_or_date(&delay.condition).0,
    });
    let transitions: Vec<Transition> = rule
        .storage_class_transitions
        .iter()
        .map(|transition| {
            let (days, date) = days_or_date(&transition.condition);
            let class = TransitionStorageClass::from_static(TransitionStorageClass::STANDARD_IA);
            Transition { date, days, storage_class: Some(class) }
        })
        .collect();
    LifecycleRule {
        abort_incomplete_multipart_upload: abort,
        expiration,
        filter: Some(LifecycleRuleFilter { prefix: Some(rule.conditions.prefix), ..Default::default() }),
        id: Some(rule.id),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(status),
        transitions: (!transitions.is_empty()).then_some(transitions),
    }
}

/// A part of a day, which only Cloudflare's own API can ask for, is shown as a day.
fn days_or_date(condition: &LifecycleCondition) -> (Option<i32>, Option<Timestamp>) {
    match condition {
        LifecycleCondition::Age { max_age } => (i32::try_from(max_age.div_ceil(DAY)).ok(), None),
        LifecycleCondition::Date { date } => (None, Some(time::timestamp(date.at()))),
    }
}
