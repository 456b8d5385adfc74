//! Who is logged in, for KILL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::sync::Mutex as AsyncMutex;

/// A client, as others can reach it.
#[derive(Debug)]
pub(super) struct Handle {
    /// What the client was told to be its connection's number.
    pub(super) number: u32,
    /// The connection that works for it. Whoever kills what that does holds the lock meanwhile, so that the
    /// connection does not become another client's.
    pub(super) held: AsyncMutex<Option<Held>>,
    leave: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// The connection's number at the origin.
    pub(super) number: u32,
    /// Somebody killed what it did: that may still hit what it does next.
    pub(super) killed: bool,
}

impl Handle {
    /// Ends the client's session.
    pub(super) fn end(&self) {
        self.leave.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Must the session end? If not, the task of `cx` is woken when it must.
    pub(super) fn poll_end(&self, cx: &Context<'_>) -> bool {
        self.waker.register(cx.waker());
        self.leave.load(Ordering::Acquire)
    }
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Mutex<HashMap<u32, Arc<Handle>>>,
    next: AtomicU32,
    closed: AtomicBool,
}

impl Clients {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Handle>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when nobody is let in any more.
    pub(super) fn enter(&self) -> Option<Arc<Handle>> {
        let mut all = self.lock();
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let number = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if number != 0 && !all.contains_key(&number) {
                break number;
            }
        };
        let handle = Arc::new(Handle {
            number,
            held: AsyncMutex::new(None),
            leave: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        all.insert(number, Arc::clone(&handle));
        Some(handle)
    }

    pub(super) fn leave(&self, number: u32) {
        self.lock().remove(&number);
    }

    pub(super) fn find(&self, number: u32) -> Option<Arc<Handle>> {
        self.lock().get(&number).cloned()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn end_all(&self) {
        for handle in self.lock().values() {
            handle.end();
        }
    }
}
