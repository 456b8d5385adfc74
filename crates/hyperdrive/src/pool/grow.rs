use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::inner::{Inner, Slot, State};
use super::metrics::Counters;
use super::{AcquireError, Activity, Connect, Fit};

/// Connections being opened at once: a pool that starts must not look like an attack.
pub(super) const CONNECTING: usize = 16;
/// The first pause before an unreachable origin is tried again; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long the origin's refusal stands for those who come next.
const REFUSAL_STANDS: Duration = Duration::from_millis(500);

/// One task's right to open a connection, given up however the task ends.
pub(super) struct Attempt<C: Connect> {
    pool: Arc<Inner<C>>,
    number: u64,
    kind: C::Kind,
    /// This is the one task that keeps trying to reach an origin that fails.
    retrying: bool,
}

impl<C: Connect> Drop for Attempt<C> {
    fn drop(&mut self) {
        let pool = Arc::clone(&self.pool);
        self.end(&mut pool.lock());
    }
}

impl<C: Connect> Attempt<C> {
    pub(super) fn new(pool: Arc<Inner<C>>, number: u64, kind: C::Kind) -> Self {
        Self { pool, number, kind, retrying: false }
    }

    fn end(&mut self, state: &mut State<C>) {
        state.attempts.retain(|(number, _)| *number != self.number);
        if std::mem::take(&mut self.retrying) {
            state.retrying = false;
        }
    }

    /// Opens one connection, trying for as long as somebody waits for it.
    pub(super) async fn open(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let (connector, generation, limit) = {
                let state = self.pool.lock();
                (Arc::clone(&state.connector), state.generation, state.config.connect_timeout)
            };
            let result = match timeout(limit, connector.connect(&self.kind)).await {
                Ok(result) => result,
                Err(_) => Err(connector.timed_out()),
            };
            match result {
                Ok(connection) => return self.succeeded(connection, generation),
                Err(error) => {
                    if !self.failed(error) {
                        let pool = Arc::clone(&self.pool);
                        drop(self);
                        // Its place is free for others.
                        let mut state = pool.lock();
                        return pool.settle(&mut state);
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn succeeded(mut self, connection: C::Connection, generation: u64) {
        let (pool, kind) = (Arc::clone(&self.pool), self.kind.clone());
        Counters::one(&pool.counters.connections_opened);
        let activity = Arc::new(Activity::new(pool.epoch));
        let mut state = pool.lock();
        self.end(&mut state);
        state.failure = None;
        state.refused_until = None;
        state.activities.push(Arc::downgrade(&activity));
        let slot = Box::new(Slot { connection, kind, activity, born: Instant::now(), generation });
        let unwanted =
            state.draining || generation != state.generation || state.open() >= state.config.max_connections;
        if unwanted {
            pool.settle(&mut state);
            drop(state);
            return pool.retire(*slot);
        }
        pool.place(&mut state, slot);
        // Others may have held back while the origin failed.
        pool.settle(&mut state);
    }

    /// Whether to try again.
    fn failed(&mut self, error: C::Error) -> bool {
        let pool = &self.pool;
        Counters::one(&pool.counters.connects_failed);
        tracing::warn!("cannot connect to the origin: {error}");
        let permanent = C::is_permanent(&error);
        let about_kind = C::is_about_kind(&error);
        let error = Arc::new(error);
        let mut state = pool.lock();
        if about_kind {
            // Nobody else need hear of it.
            let unwanted = state.waiting.extract_if(.., |_, w| C::fit(&self.kind, &w.kind) == Fit::Exact);
            let refused: Vec<_> = unwanted.collect();
            drop(state);
            for (_, waiter) in refused {
                Counters::one(&pool.counters.acquire_refusals);
                let _ = waiter.answer.send(Err(AcquireError::Unfit(Arc::clone(&error))));
            }
            return false;
        }
        state.failure = Some(Arc::clone(&error));
        if !permanent {
            let mine = self.retrying || !state.retrying;
            let again = mine && !state.draining && !state.waiting.is_empty();
            if again {
                state.retrying = true;
                self.retrying = true;
                // Who can use what lies idle need not wait for it.
                pool.settle(&mut state);
            }
            return again;
        }
        state.refused_until = Some(Instant::now() + REFUSAL_STANDS);
        // With connections open, who waits may still get one of those.
        let refused = if state.open() == 0 { std::mem::take(&mut state.waiting) } else { BTreeMap::new() };
        drop(state);
        for waiter in refused.into_values() {
            Counters::one(&pool.counters.acquire_refusals);
            // Who has left needs no answer.
            let _ = waiter.answer.send(Err(AcquireError::Refused(Arc::clone(&error))));
        }
        false
    }
}
