//! Who waits and what lies idle, brought together; and what is missing, opened.

use std::sync::Arc;

use tokio::time::Instant;

use super::grow::{Attempt, CONNECTING};
use super::inner::{Idle, Inner, Slot, State, Waiter};
use super::lease::Delivery;
use super::metrics::Counters;
use super::{Connect, Fit, Lease};

impl<C: Connect> State<C> {
    pub(super) fn open(&self) -> usize {
        self.idle.len() + self.taken
    }

    /// One more connection may be open.
    pub(super) fn has_room(&self) -> bool {
        self.open() + self.attempts.len() < self.config.max_connections
    }

    /// One more connection may be under way. While the origin fails, one that tries is enough.
    fn may_try(&self) -> bool {
        self.attempts.len() < CONNECTING
            && !self.retrying
            && self.refused_until.is_none_or(|until| Instant::now() >= until)
    }
}

impl<C: Connect> Inner<C> {
    pub(super) fn take_idle(self: &Arc<Self>, kind: &C::Kind) -> Option<Lease<C>> {
        let mut state = self.lock();
        if state.draining {
            return None;
        }
        // One of the very kind lies idle only while nobody waits for that kind.
        let slot = self.pop_idle(&mut state, kind, Fit::Exact).or_else(|| {
            let spare = state.waiting.is_empty() && !state.idle.is_empty() && !state.has_room();
            spare.then(|| self.pop_idle(&mut state, kind, Fit::Usable)).flatten()
        })?;
        state.taken += 1;
        drop(state);
        Counters::one(&self.counters.acquired);
        Some(Lease::new(Arc::clone(self), slot))
    }

    /// The idle connection used last of those that fit so well, if it is alive.
    fn pop_idle(&self, state: &mut State<C>, kind: &C::Kind, fit: Fit) -> Option<Box<Slot<C>>> {
        while let Some(at) = state.idle.iter().rposition(|idle| C::fit(&idle.slot.kind, kind) == fit) {
            let mut slot = state.idle.remove(at)?.slot;
            if C::is_alive(&mut slot.connection) {
                return Some(slot);
            }
            Counters::one(&self.counters.connections_lost);
        }
        None
    }

    /// Gives a clean connection, which is neither taken nor idle, to who waits longest, or to nobody.
    pub(super) fn place(self: &Arc<Self>, state: &mut State<C>, mut slot: Box<Slot<C>>) {
        while let Some(first) = state.waiting.first_entry() {
            if C::fit(&slot.kind, &first.get().kind) != Fit::Exact {
                state.idle.push_back(Idle { slot, since: Instant::now() });
                return self.settle(state);
            }
            let waiter = first.remove();
            match self.deliver(state, waiter, slot) {
                Some(back) => slot = back,
                None => return,
            }
        }
        state.idle.push_back(Idle { slot, since: Instant::now() });
    }

    /// Returns the connection if the client has left.
    fn deliver(
        self: &Arc<Self>,
        state: &mut State<C>,
        waiter: Waiter<C>,
        slot: Box<Slot<C>>,
    ) -> Option<Box<Slot<C>>> {
        match waiter.answer.send(Ok(Delivery::new(Arc::clone(self), slot))) {
            Ok(()) => {
                state.taken += 1;
                Counters::one(&self.counters.acquired);
                None
            }
            Err(outcome) => outcome.ok().and_then(Delivery::undeliverable),
        }
    }

    /// Gives those who wait, in their order, what lies idle and fits, and opens as many connections as are missing,
    /// within the limits. To be called whenever one of these has changed.
    ///
    /// Who waits gets a connection of its own kind while there is room for one more. Without room, or while the origin
    /// fails, it gets another's that it can use; if it can use none, the one that lay idle longest is closed for its
    /// sake. Nobody is overtaken but by those who want what is of no use to him.
    pub(super) fn settle(self: &Arc<Self>, state: &mut State<C>) {
        if state.draining {
            return;
        }
        // Attempts whose connection is meant for somebody further ahead.
        let mut meant = 0u64;
        let mut next = 0;
        while !state.idle.is_empty() || (state.may_try() && state.has_room()) {
            let Some((&number, waiter)) = state.waiting.range(next..).next() else { break };
            next = number + 1;
            let kind = waiter.kind.clone();
            if let Some(slot) = self.pop_idle(state, &kind, Fit::Exact) {
                self.hand_over(state, number, slot);
                continue;
            }
            if state.failure.is_some()
                && let Some(slot) = self.pop_idle(state, &kind, Fit::Usable)
            {
                self.hand_over(state, number, slot);
                continue;
            }
            let coming = state
                .attempts
                .iter()
                .enumerate()
                .position(|(at, (_, coming))| meant & (1 << at) == 0 && C::fit(coming, &kind) != Fit::No);
            if let Some(at) = coming {
                meant |= 1 << at;
                continue;
            }
            let (room, may_try) = (state.has_room(), state.may_try());
            if room && may_try {
                meant |= 1 << state.attempts.len();
                self.attempt(state, kind);
                continue;
            }
            if !room && let Some(slot) = self.pop_idle(state, &kind, Fit::Usable) {
                self.hand_over(state, number, slot);
                continue;
            }
            if !room
                && may_try
                && let Some(idle) = state.idle.pop_front()
            {
                self.retire(*idle.slot);
                let plain = state.connector.plain();
                let kind = if C::fit(&plain, &kind) == Fit::No { kind } else { plain };
                meant |= 1 << state.attempts.len();
                self.attempt(state, kind);
                continue;
            }
            break;
        }
        while state.open() + state.attempts.len() < state.config.min_connections
            && state.has_room()
            && state.may_try()
        {
            let plain = state.connector.plain();
            self.attempt(state, plain);
        }
    }

    fn hand_over(self: &Arc<Self>, state: &mut State<C>, number: u64, slot: Box<Slot<C>>) {
        let Some(waiter) = state.waiting.remove(&number) else { return };
        if let Some(back) = self.deliver(state, waiter, slot) {
            state.idle.push_back(Idle { slot: back, since: Instant::now() });
        }
    }

    fn attempt(self: &Arc<Self>, state: &mut State<C>, kind: C::Kind) {
        let number = state.next_number();
        state.attempts.push((number, kind.clone()));
        let pool = Arc::clone(self);
        // The attempt begins inside its task: a runtime that is shutting down drops the task here, where the pool is
        // locked, and an attempt that ends locks it.
        tokio::spawn(async move { Attempt::new(pool, number, kind).open().await });
    }
}

#[cfg(test)]
mod tests;
