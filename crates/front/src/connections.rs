//! Who is connected: to end idle and stalling connections, and to stop in an orderly way.
//!
//! None of this costs a request a timer or a lock: a connection keeps a few counters, a sweep looks at them
//! once a second, and an order is a byte that the connection reads when it is woken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Notify;

/// Seconds that a request's head may take, from its first byte.
const HEAD_TIMEOUT: u32 = 15;
/// Seconds that a connection may be idle between requests.
const IDLE_TIMEOUT: u32 = 120;

/// What a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    GoOn,
    /// Finish what is in progress, then close.
    Finish,
    /// Close now.
    Cut,
}

/// One connection's counters.
pub(crate) struct Entry {
    order: AtomicU8,
    waker: Mutex<Option<Waker>>,
    /// The sweeps' clock, in seconds from 1.
    seconds: Arc<AtomicU32>,
    serving: AtomicU32,
    /// When the connection was made or its last request ended.
    idle_since: AtomicU32,
    /// When the first byte of the next head came; 0: not yet.
    head_since: AtomicU32,
    /// Off for HTTP/2, where bytes arrive without being requests.
    limits_heads: AtomicBool,
}

impl Entry {
    fn new(seconds: Arc<AtomicU32>) -> Self {
        let now = seconds.load(Ordering::Relaxed);
        Self {
            order: AtomicU8::new(0),
            waker: Mutex::default(),
            seconds,
            serving: AtomicU32::new(0),
            idle_since: AtomicU32::new(now),
            head_since: AtomicU32::new(0),
            limits_heads: AtomicBool::new(true),
        }
    }

    /// From now on an order wakes this task.
    pub(crate) fn wake_with(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::GoOn,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    fn give(&self, order: Order) {
        let code = match order {
            Order::GoOn => 0,
            Order::Finish => 1,
            Order::Cut => 2,
        };
        if self.order.fetch_max(code, Ordering::AcqRel) < code
            && let Some(waker) = lock(&self.waker).as_ref()
        {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn does_not_limit_heads(&self) {
        self.limits_heads.store(false, Ordering::Relaxed);
    }

    pub(crate) fn bytes_arrived(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 && self.serving.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.seconds.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    pub(crate) fn request_began(&self) {
        self.serving.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
    }

    pub(crate) fn request_ended(&self) {
        self.serving.fetch_sub(1, Ordering::Relaxed);
        self.idle_since.store(self.seconds.load(Ordering::Relaxed), Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
    }

    fn due(&self, now: u32) -> Order {
        if self.serving.load(Ordering::Relaxed) > 0 {
            return Order::GoOn;
        }
        let head = self.head_since.load(Ordering::Relaxed);
        if head > 0 && self.limits_heads.load(Ordering::Relaxed) && now.saturating_sub(head) > HEAD_TIMEOUT {
            Order::Cut
        } else if now.saturating_sub(self.idle_since.load(Ordering::Relaxed)) > IDLE_TIMEOUT {
            Order::Finish
        } else {
            Order::GoOn
        }
    }
}

/// All connections and WebSocket tunnels.
#[derive(Default)]
pub(crate) struct Connections {
    all: Mutex<HashMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    seconds: Arc<AtomicU32>,
    left: Notify,
}

impl Connections {
    pub(crate) fn enroll(self: &Arc<Self>) -> Enrolled {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(Entry::new(Arc::clone(&self.seconds)));
        lock(&self.all).insert(id, Arc::clone(&entry));
        Enrolled { id, entry, connections: Arc::clone(self) }
    }

    pub(crate) fn order_all(&self, order: Order) {
        for entry in lock(&self.all).values() {
            entry.give(order);
        }
    }

    /// To be called once a second.
    pub(crate) fn sweep(&self) {
        let now = self.seconds.fetch_add(1, Ordering::Relaxed) + 1;
        for entry in lock(&self.all).values() {
            match entry.due(now) {
                Order::GoOn => {}
                order => entry.give(order),
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.all).len()
    }

    /// Waits until nobody is connected.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.len() == 0 {
                return;
            }
            left.await;
        }
    }
}

/// A place in [`Connections`], given up when dropped.
pub(crate) struct Enrolled {
    id: u64,
    pub(crate) entry: Arc<Entry>,
    connections: Arc<Connections>,
}

impl Enrolled {
    /// Resolves when the connection is told anything.
    pub(crate) async fn ordered(&self) {
        std::future::poll_fn(|cx| {
            self.entry.wake_with(cx.waker());
            if self.entry.order() == Order::GoOn {
                std::task::Poll::Pending
            } else {
                std::task::Poll::Ready(())
            }
        })
        .await;
    }
}

impl Drop for Enrolled {
    fn drop(&mut self) {
        lock(&self.connections.all).remove(&self.id);
        self.connections.left.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(connections: &Connections, times: u32) {
        for _ in 0..times {
            connections.sweep();
        }
    }

    #[test]
    fn a_head_that_stalls_is_cut_and_an_idle_connection_is_finished() {
        let connections = Arc::new(Connections::default());
        sweep(&connections, 1);
        let (stalling, idle, busy) = (connections.enroll(), connections.enroll(), connections.enroll());
        stalling.entry.bytes_arrived();
        busy.entry.request_began();
        sweep(&connections, HEAD_TIMEOUT);
        assert_eq!(stalling.entry.order(), Order::GoOn);
        sweep(&connections, 1);
        assert_eq!(stalling.entry.order(), Order::Cut);
        assert_eq!(idle.entry.order(), Order::GoOn);
        sweep(&connections, IDLE_TIMEOUT);
        assert_eq!(idle.entry.order(), Order::Finish);
        assert_eq!(busy.entry.order(), Order::GoOn);
        busy.entry.request_ended();
        sweep(&connections, IDLE_TIMEOUT);
        assert_eq!(busy.entry.order(), Order::GoOn, "idleness counts from the end of the request");
        assert_eq!(connections.len(), 3);
        drop((stalling, idle, busy));
        assert_eq!(connections.len(), 0);
    }
}
