use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep};

use super::inner::Inner;
use super::metrics::Counters;
use super::{AcquireError, Connect};

/// Enforces the pool's time limits, until the pool is gone.
pub(super) async fn run<C: Connect>(pool: Weak<Inner<C>>) {
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let tick = inner.config().tick();
        inner.expire_waiting();
        inner.expire_idle();
        inner.judge();
        drop(inner);
        sleep(tick).await;
    }
}

impl<C: Connect> Inner<C> {
    fn expire_waiting(self: &Arc<Self>) {
        let mut expired = Vec::new();
        let mut state = self.lock();
        let (limit, failure) = (state.config.acquire_timeout, state.failure.clone());
        while let Some(first) = state.waiting.first_entry()
            && first.get().since.elapsed() >= limit
        {
            expired.push(first.remove());
        }
        // Somebody may wait for a connection that could not be opened at the time.
        self.settle(&mut state);
        drop(state);
        for waiter in expired {
            Counters::one(&self.counters.acquire_timeouts);
            let error = AcquireError::Timeout { waited: waiter.since.elapsed(), last: failure.clone() };
            let _ = waiter.answer.send(Err(error));
        }
    }

    /// Closes what lay idle or lived for too long, and what the origin has closed.
    fn expire_idle(self: &Arc<Self>) {
        let mut old = Vec::new();
        let mut state = self.lock();
        let config = Arc::clone(&state.config);
        let now = Instant::now();
        let mut kept = state.open();
        let mut lost = 0;
        let idle = std::mem::take(&mut state.idle);
        for mut entry in idle {
            let worn = config.max_lifetime.is_some_and(|limit| now - entry.slot.born >= limit);
            let unused = now - entry.since >= config.idle_timeout && kept > config.min_connections;
            if !C::is_alive(&mut entry.slot.connection) {
                lost += 1;
                kept -= 1;
            } else if worn || unused {
                kept -= 1;
                old.push(entry.slot);
            } else {
                state.idle.push_back(entry);
            }
        }
        self.settle(&mut state);
        drop(state);
        Counters::add(&self.counters.connections_lost, lost);
        for slot in old {
            self.retire(*slot);
        }
    }

    fn judge(&self) {
        let mut state = self.lock();
        let config = Arc::clone(&state.config);
        state.activities.retain(|activity| match activity.upgrade() {
            Some(activity) => {
                activity.judge(&config);
                true
            }
            None => false,
        });
    }
}
