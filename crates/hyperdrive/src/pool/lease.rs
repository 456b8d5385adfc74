use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio::time::error::Elapsed;

use super::inner::{Inner, Slot};
use super::{AcquireError, Activity, Connect};

/// A connection that is one client's alone.
///
/// Dropping a lease closes the connection: whoever knows that it is clean says so with [`give_back`](Self::give_back).
pub struct Lease<C: Connect> {
    pool: Arc<Inner<C>>,
    slot: Option<Box<Slot<C>>>,
}

impl<C: Connect> Lease<C> {
    pub(super) fn new(pool: Arc<Inner<C>>, slot: Box<Slot<C>>) -> Self {
        Self { pool, slot: Some(slot) }
    }

    /// Puts the connection back for the next client. Call it only if the connection is as one just opened.
    pub fn give_back(mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.give_back(slot);
        }
    }

    /// Puts the connection back if it `was_cleaned` in time, and closes it otherwise.
    pub(crate) fn give_back_if<E: fmt::Display>(self, was_cleaned: Result<Result<(), E>, Elapsed>) {
        match was_cleaned {
            Ok(Ok(())) => self.give_back(),
            Ok(Err(error)) => tracing::warn!("a connection that could not be reset is closed: {error}"),
            Err(_) => tracing::warn!("a connection that did not reset in time is closed"),
        }
    }

    /// Closes the connection in good order: it is clean, and not wanted any more.
    pub fn retire(mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.retire_taken(*slot);
        }
    }

    pub fn activity(&self) -> &Activity {
        &self.slot().activity
    }

    fn slot(&self) -> &Slot<C> {
        self.slot.as_ref().expect("a lease has its connection until it is given back")
    }
}

impl<C: Connect> Deref for Lease<C> {
    type Target = C::Connection;

    fn deref(&self) -> &C::Connection {
        &self.slot().connection
    }
}

impl<C: Connect> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C::Connection {
        &mut self.slot.as_mut().expect("a lease has its connection until it is given back").connection
    }
}

impl<C: Connect> Drop for Lease<C> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.discard(slot);
        }
    }
}

impl<C: Connect> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

/// A clean connection on its way to a waiting client. If the client has left meanwhile, it goes back.
pub(super) struct Delivery<C: Connect>(Option<Lease<C>>);

impl<C: Connect> Delivery<C> {
    pub(super) fn new(pool: Arc<Inner<C>>, slot: Box<Slot<C>>) -> Self {
        Self(Some(Lease::new(pool, slot)))
    }

    fn accept(mut self) -> Lease<C> {
        self.0.take().expect("a delivery is accepted once")
    }

    /// Takes the connection out without giving it back, for one who holds the pool's lock.
    pub(super) fn undeliverable(mut self) -> Option<Box<Slot<C>>> {
        self.0.take().and_then(|mut lease| lease.slot.take())
    }
}

impl<C: Connect> Drop for Delivery<C> {
    fn drop(&mut self) {
        if let Some(lease) = self.0.take() {
            lease.give_back();
        }
    }
}

pub(super) type Outcome<C> = Result<Delivery<C>, AcquireError<<C as Connect>::Error>>;

/// A place in the queue, a future of the connection. Dropping it leaves the queue.
pub struct Ticket<C: Connect> {
    pub(super) pool: Arc<Inner<C>>,
    pub(super) number: u64,
    pub(super) since: Instant,
    pub(super) waiting: bool,
    pub(super) outcome: oneshot::Receiver<Outcome<C>>,
}

impl<C: Connect> Future for Ticket<C> {
    type Output = Result<Lease<C>, AcquireError<C::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(cx));
        self.waiting = false;
        self.pool.counters.wait.record(self.since.elapsed());
        // The pool answers everybody before it goes; a ticket keeps the pool alive.
        Poll::Ready(outcome.unwrap_or(Err(AcquireError::Draining)).map(Delivery::accept))
    }
}

impl<C: Connect> Drop for Ticket<C> {
    fn drop(&mut self) {
        if self.waiting {
            self.pool.leave_queue(self.number);
        }
    }
}

impl<C: Connect> fmt::Debug for Ticket<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("number", &self.number).finish_non_exhaustive()
    }
}
