//! How long and with how many others a request waits for its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::QueryError;

/// Whether a request has had its turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// What `work` gives; an error when its turn has not come at `until`. Work that has begun then is waited for:
    /// it ends by itself, and what it did must be told.
    pub(crate) async fn in_time<T>(
        &self,
        until: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, QueryError> {
        tokio::pin!(work);
        match tokio::time::timeout_at(until.into(), &mut work).await {
            Ok(done) => Ok(done),
            Err(_) if self.0.load(Ordering::Acquire) => Ok(work.await),
            // What begins after this moment sees that it is too late.
            Err(_) => Err(QueryError::QueuedTooLong),
        }
    }
}

/// A count of those who are inside.
#[derive(Debug, Default)]
pub(crate) struct Places(AtomicUsize);

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a>(&'a Places);

impl Places {
    pub(crate) fn enter(&self, limit: usize) -> Result<Place<'_>, QueryError> {
        let place = Place(self);
        // The place gives back what was taken, also when it was too much.
        if self.0.fetch_add(1, Ordering::Relaxed) >= limit { Err(QueryError::Overloaded) } else { Ok(place) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
