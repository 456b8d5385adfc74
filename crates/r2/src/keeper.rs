//! What a bucket does by itself: it removes files that nobody needs, and does what its lifecycle rules say.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::bucket::Inner;
use crate::garbage::{self, Pins};
use crate::{Bucket, Error, LifecycleOutcome};

/// How often lifecycle rules are looked at. Cloudflare acts on them within a day.
const LIFECYCLE: Duration = Duration::from_hours(1);

/// Runs until the bucket is dropped, which also aborts it.
pub(crate) async fn run(bucket: Weak<Inner>, pins: Arc<Pins>) {
    let mut lifecycle = tokio::time::interval(LIFECYCLE);
    lifecycle.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick is at once.
    lifecycle.tick().await;
    loop {
        let by_rule = tokio::select! {
            () = pins.wake.notified() => false,
            _ = lifecycle.tick() => true,
        };
        let Some(inner) = bucket.upgrade() else { return };
        if by_rule {
            apply(&Bucket { inner }).await;
        } else {
            garbage::drain(&inner.database, &inner.blobs, &inner.pins).await;
        }
    }
}

async fn apply(bucket: &Bucket) {
    match bucket.apply_lifecycle().await {
        Ok(done) if done == LifecycleOutcome::default() => {}
        Ok(LifecycleOutcome { deleted, moved, aborted }) => {
            tracing::info!(bucket = bucket.name(), deleted, moved, aborted, "lifecycle rules");
        }
        Err(Error::NoSuchBucket) => {}
        Err(error) => tracing::warn!(bucket = bucket.name(), %error, "lifecycle rules could not be applied"),
    }
}
