use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use super::lease::Outcome;
use super::metrics::Counters;
use super::{AcquireError, Activity, Connect, PoolConfig, Status, Ticket};

/// A connection and what the pool knows about it.
pub(super) struct Slot<C: Connect> {
    pub(super) connection: C::Connection,
    pub(super) kind: C::Kind,
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
    pub(super) kind: C::Kind,
    pub(super) answer: oneshot::Sender<Outcome<C>>,
}

pub(super) struct State<C: Connect> {
    pub(super) config: Arc<PoolConfig>,
    pub(super) connector: Arc<C>,
    pub(super) generation: u64,
    /// The one used last is at the back and goes out first: the others can grow old and be closed.
    pub(super) idle: VecDeque<Idle<C>>,
    pub(super) taken: usize,
    /// Connections being opened: a number of their own, and of which kind they will be.
    pub(super) attempts: Vec<(u64, C::Kind)>,
    /// In order of arrival, by ticket number.
    pub(super) waiting: BTreeMap<u64, Waiter<C>>,
    next_number: u64,
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
    /// Of a ticket or an attempt.
    pub(super) fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
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
            attempts: Vec::new(),
            waiting: BTreeMap::new(),
            next_number: 0,
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

    pub(super) fn enqueue(self: &Arc<Self>, kind: C::Kind) -> Result<Ticket<C>, AcquireError<C::Error>> {
        let mut state = self.lock();
        let refusal = if state.draining {
            Some(AcquireError::Draining)
        } else if state.waiting.len() >= state.config.max_waiting {
            Some(AcquireError::QueueFull { waiting: state.waiting.len() })
        } else if let (Some(until), Some(failure)) = (state.refused_until, &state.failure)
            && Instant::now() < until
            && state.idle.is_empty()
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
        let (number, since) = (state.next_number(), Instant::now());
        state.waiting.insert(number, Waiter { since, kind, answer });
        self.settle(&mut state);
        drop(state);
        Ok(Ticket { pool: Arc::clone(self), number, since, waiting: true, outcome })
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
        self.settle(&mut state);
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
        self.settle(&mut state);
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
        self.settle(&mut state);
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
            connecting: state.attempts.len(),
            waiting: state.waiting.len(),
            longest_wait: state.waiting.values().next().map_or(Duration::ZERO, |w| w.since.elapsed()),
            draining: state.draining,
        }
    }
}
