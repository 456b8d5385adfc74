use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use super::lease::{Delivery, Outcome};
use super::metrics::Counters;
use super::{AcquireError, Activity, Connect, Lease, PoolConfig, Status, Ticket};

/// A connection and what the pool knows about it.
pub(super) struct Slot<C: Connect> {
    pub(super) connection: C::Connection,
    pub(super) activity: Arc<Activity>,
    pub(super) born: Instant,
    /// Of the connector that opened it.
    pub(super) generation: u64,
}

pub(super) struct Idle<C: Connect> {
    pub(super) slot: Box<Slot<C>>,
    pub(super) since: Instant,
}

pub(super) struct Waiter<C: Connect> {
    pub(super) since: Instant,
    pub(super) answer: oneshot::Sender<Outcome<C>>,
}

pub(super) struct State<C: Connect> {
    pub(super) config: Arc<PoolConfig>,
    pub(super) connector: Arc<C>,
    pub(super) generation: u64,
    /// The one used last is at the back and goes out first: the others can grow old and be closed.
    pub(super) idle: VecDeque<Idle<C>>,
    pub(super) taken: usize,
    pub(super) connecting: usize,
    /// In order of arrival, by ticket number.
    pub(super) waiting: BTreeMap<u64, Waiter<C>>,
    next_ticket: u64,
    /// Why the origin cannot be reached, while it cannot.
    pub(super) failure: Option<Arc<C::Error>>,
    /// Until when a refusal by the origin is repeated to clients without asking again.
    pub(super) refused_until: Option<Instant>,
    /// Somebody is trying to reach an origin that failed, so nobody else need.
    pub(super) retrying: bool,
    pub(super) draining: bool,
    /// Every open connection's, to be watched by the janitor.
    pub(super) activities: Vec<Weak<Activity>>,
}

pub(super) struct Inner<C: Connect> {
    state: Mutex<State<C>>,
    pub(super) counters: Counters,
    pub(super) epoch: Instant,
    /// Rung when a taken connection comes back while the pool drains.
    returned: Notify,
    /// Rung when the janitor should look at new limits.
    pub(super) reconfigured: Notify,
}

impl<C: Connect> State<C> {
    pub(super) fn open(&self) -> usize {
        self.idle.len() + self.taken
    }
}

impl<C: Connect> Inner<C> {
    pub(super) fn new(connector: C, config: PoolConfig) -> Self {
        let state = State {
            config: Arc::new(config),
            connector: Arc::new(connector),
            generation: 0,
            idle: VecDeque::new(),
            taken: 0,
            connecting: 0,
            waiting: BTreeMap::new(),
            next_ticket: 0,
            failure: None,
            refused_until: None,
            retrying: false,
            draining: false,
            activities: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            counters: Counters::default(),
            epoch: Instant::now(),
            returned: Notify::new(),
            reconfigured: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<C>> {
        // Nothing under the lock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_idle(self: &Arc<Self>) -> Option<Lease<C>> {
        let mut state = self.lock();
        if state.draining || !state.waiting.is_empty() {
            return None;
        }
        let slot = self.pop_alive(&mut state)?;
        state.taken += 1;
        drop(state);
        Counters::one(&self.counters.acquired);
        Some(Lease::new(Arc::clone(self), slot))
    }

    fn pop_alive(&self, state: &mut State<C>) -> Option<Box<Slot<C>>> {
        while let Some(Idle { mut slot, .. }) = state.idle.pop_back() {
            if C::is_alive(&mut slot.connection) {
                return Some(slot);
            }
            Counters::one(&self.counters.connections_lost);
        }
        None
    }

    pub(super) fn enqueue(self: &Arc<Self>) -> Result<Ticket<C>, AcquireError<C::Error>> {
        let mut state = self.lock();
        let refusal = if state.draining {
            Some(AcquireError::Draining)
        } else if state.waiting.len() >= state.config.max_waiting {
            Some(AcquireError::QueueFull { waiting: state.waiting.len() })
        } else if let (Some(until), Some(failure)) = (state.refused_until, &state.failure)
            && Instant::now() < until
        {
            Some(AcquireError::Refused(Arc::clone(failure)))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(state);
            Counters::one(&self.counters.acquire_refusals);
            return Err(refusal);
        }
        let (answer, outcome) = oneshot::channel();
        let (number, since) = (state.next_ticket, Instant::now());
        state.next_ticket += 1;
        state.waiting.insert(number, Waiter { since, answer });
        // One may have come back between the caller's two calls.
        self.serve_waiting(&mut state);
        self.grow(&mut state);
        drop(state);
        Ok(Ticket { pool: Arc::clone(self), number, since, waiting: true, outcome })
    }

    /// Hands idle connections to those who wait.
    fn serve_waiting(self: &Arc<Self>, state: &mut State<C>) {
        while !state.waiting.is_empty()
            && let Some(slot) = self.pop_alive(state)
        {
            self.place(state, slot);
        }
    }

    /// Gives a clean connection, which is neither taken nor idle, to who waits longest, or to nobody.
    pub(super) fn place(self: &Arc<Self>, state: &mut State<C>, mut slot: Box<Slot<C>>) {
        while let Some((_, waiter)) = state.waiting.pop_first() {
            match waiter.answer.send(Ok(Delivery::new(Arc::clone(self), slot))) {
                Ok(()) => {
                    state.taken += 1;
                    Counters::one(&self.counters.acquired);
                    return;
                }
                Err(outcome) => match outcome.ok().and_then(Delivery::undeliverable) {
                    Some(back) => slot = back,
                    None => return,
                },
            }
        }
        state.idle.push_back(Idle { slot, since: Instant::now() });
    }

    pub(super) fn give_back(self: &Arc<Self>, slot: Box<Slot<C>>) {
        slot.activity.clear();
        let mut state = self.lock();
        state.taken -= 1;
        let stale = state.draining
            || slot.generation != state.generation
            || state.open() >= state.config.max_connections
            || state.config.max_lifetime.is_some_and(|limit| slot.born.elapsed() >= limit);
        if !stale {
            return self.place(&mut state, slot);
        }
        self.close_taken(state);
        self.retire(*slot);
    }

    pub(super) fn retire_taken(self: &Arc<Self>, slot: Slot<C>) {
        let mut state = self.lock();
        state.taken -= 1;
        self.close_taken(state);
        self.retire(slot);
    }

    /// A connection that was taken is about to be closed.
    fn close_taken(self: &Arc<Self>, mut state: MutexGuard<'_, State<C>>) {
        self.grow(&mut state);
        drop(state);
        self.returned.notify_waiters();
    }

    pub(super) fn retire(&self, slot: Slot<C>) {
        Counters::one(&self.counters.connections_retired);
        C::close(slot.connection);
    }

    /// Closes a taken connection.
    pub(super) fn discard(self: &Arc<Self>, slot: Box<Slot<C>>) {
        let mut state = self.lock();
        state.taken -= 1;
        self.close_taken(state);
        Counters::one(&self.counters.connections_discarded);
        drop(slot);
    }

    pub(super) fn leave_queue(&self, number: u64) {
        let waiter = self.lock().waiting.remove(&number);
        drop(waiter);
    }

    pub(super) fn reconfigure(self: &Arc<Self>, config: PoolConfig) {
        let mut state = self.lock();
        state.config = Arc::new(config);
        let mut surplus = Vec::new();
        while state.open() > state.config.max_connections
            && let Some(idle) = state.idle.pop_front()
        {
            surplus.push(idle.slot);
        }
        self.grow(&mut state);
        drop(state);
        self.reconfigured.notify_one();
        for slot in surplus {
            self.retire(*slot);
        }
    }

    pub(super) fn replace_connector(self: &Arc<Self>, connector: C) {
        self.lock().connector = Arc::new(connector);
        self.restart();
    }

    pub(super) fn restart(self: &Arc<Self>) {
        let mut state = self.lock();
        state.generation += 1;
        state.failure = None;
        state.refused_until = None;
        let idle: Vec<_> = state.idle.drain(..).collect();
        self.grow(&mut state);
        drop(state);
        for entry in idle {
            self.retire(*entry.slot);
        }
    }

    pub(super) async fn drain(&self, patience: Duration) -> usize {
        let (idle, waiting) = {
            let mut state = self.lock();
            state.draining = true;
            (std::mem::take(&mut state.idle), std::mem::take(&mut state.waiting))
        };
        for waiter in waiting.into_values() {
            // Who has left needs no answer.
            let _ = waiter.answer.send(Err(AcquireError::Draining));
        }
        for entry in idle {
            self.retire(*entry.slot);
        }
        let all_returned = async {
            loop {
                let returned = self.returned.notified();
                if self.lock().taken == 0 {
                    return;
                }
                returned.await;
            }
        };
        let _ = timeout(patience, all_returned).await;
        self.lock().taken
    }

    pub(super) fn config(&self) -> Arc<PoolConfig> {
        Arc::clone(&self.lock().config)
    }

    pub(super) fn connector(&self) -> Arc<C> {
        Arc::clone(&self.lock().connector)
    }

    pub(super) fn status(&self) -> Status {
        let state = self.lock();
        Status {
            max_connections: state.config.max_connections,
            idle: state.idle.len(),
            active: state.taken,
            connecting: state.connecting,
            waiting: state.waiting.len(),
            longest_wait: state.waiting.values().next().map_or(Duration::ZERO, |w| w.since.elapsed()),
            draining: state.draining,
        }
    }
}
