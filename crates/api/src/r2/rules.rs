//! What a bucket does by itself: lifecycle, locks, CORS, public access, notifications.

use http::{Method, StatusCode};
use selvedge_r2::{Bucket, CorsRule, LifecycleRule, LockRule, NotificationRule, PublicAccess};
use serde::Deserialize;
use serde_json::json;

use crate::envelope::{Outcome, Refused, success};
use crate::request::Call;

#[derive(Deserialize)]
struct Rules<T> {
    // A wrong or missing list must not pass for one without rules, which would delete those that are there.
    rules: Vec<T>,
}

pub(super) async fn answer(bucket: &Bucket, mut call: Call, path: &[&str]) -> Outcome {
    let method = call.method().clone();
    match (&method, path) {
        (&Method::GET, ["lifecycle"]) => success(json!({ "rules": bucket.lifecycle() })),
        (&Method::PUT, ["lifecycle"]) => {
            let Rules::<LifecycleRule> { rules } = call.json().await?;
            bucket.set_lifecycle(Some(rules)).await?;
            success(json!({}))
        }
        (&Method::GET, ["lock"]) => success(json!({ "rules": bucket.locks() })),
        (&Method::PUT, ["lock"]) => {
            let Rules::<LockRule> { rules } = call.json().await?;
            bucket.set_locks(rules).await?;
            success(json!({}))
        }
        (&Method::GET, ["cors"]) => {
            let none =
                || Refused::new(StatusCode::NOT_FOUND, 10059, "The CORS configuration does not exist.");
            success(json!({ "rules": bucket.cors().ok_or_else(none)? }))
        }
        (&Method::PUT, ["cors"]) => {
            let Rules::<CorsRule> { rules } = call.json().await?;
            bucket.set_cors(Some(rules)).await?;
            success(json!({}))
        }
        (&Method::DELETE, ["cors"]) => {
            bucket.set_cors(None).await?;
            success(json!({}))
        }
        (&Method::GET, ["domains", "managed"]) => {
            success(json!({ "enabled": bucket.public_access().enabled }))
        }
        (&Method::PUT, ["domains", "managed"]) => {
            let public: PublicAccess = call.json().await?;
            bucket.set_public_access(public).await?;
            success(json!({ "enabled": public.enabled }))
        }
        (&Method::GET, ["notifications"]) => success(json!({ "rules": bucket.notification_rules() })),
        (&Method::PUT, ["notifications"]) => {
            let Rules::<NotificationRule> { rules } = call.json().await?;
            bucket.set_notification_rules(rules).await?;
            success(json!({}))
        }
        (&Method::GET, ["notifications", "events"]) => {
            let after = call.number("after", 0)? as u64;
            let limit = u32::try_from(call.number("limit", 1000)?.min(1000)).unwrap_or(1000);
            let events = bucket.events(after, limit).await?;
            let rows = events.into_iter().map(|event| {
                let message: serde_json::Value = serde_json::from_str(&event.message).unwrap_or_default();
                json!({ "id": event.id, "queue": event.queue, "message": message })
            });
            success(rows.collect::<Vec<_>>())
        }
        (&Method::DELETE, ["notifications", "events"]) => {
            bucket.forget_events(call.number("through", 0)? as u64).await?;
            success(json!({}))
        }
        _ => Err(Refused::no_route()),
    }
}
