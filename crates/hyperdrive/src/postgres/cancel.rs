//! Cancelling: which client may stop what on which connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use selvedge_base::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::net::TlsClient;

pub(super) const CANCEL_REQUEST: u32 = 80_877_102;
/// For a cancel request to reach the origin.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an origin listens.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<TlsClient>,
    pub(super) tls_is_optional: bool,
}

/// What it takes to cancel the work of one connection to the origin.
#[derive(Debug)]
pub(super) struct BackendKey {
    destination: Arc<Destination>,
    /// The origin's process and its secret. Some poolers in between give none.
    key: Option<([u8; 4], Box<[u8]>)>,
    /// Cancel requests under way, and a bell for when there are none. While there are, the connection must not go to
    /// another client: the request would hit that one's work.
    under_way: Mutex<u32>,
    arrived: Notify,
}

impl BackendKey {
    pub(super) fn new(destination: Arc<Destination>, key: Option<([u8; 4], Box<[u8]>)>) -> Self {
        Self { destination, key, under_way: Mutex::new(0), arrived: Notify::new() }
    }

    fn under_way(&self) -> u32 {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_being_cancelled(&self) -> bool {
        self.under_way() > 0
    }

    /// Returns when the origin has heard of all cancel requests.
    pub(super) async fn settled(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.under_way() == 0 {
                return;
            }
            arrived.await;
        }
    }

    /// Sends a cancel request from a task of its own.
    pub(super) fn cancel(self: &Arc<Self>) {
        *self.under_way.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let key = Arc::clone(self);
        tokio::spawn(async move {
            let sent = timeout(PATIENCE, key.send_cancel()).await;
            if let Ok(Err(error)) = sent {
                tracing::warn!("a cancel request did not reach the origin: {error}");
            }
            *key.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            key.arrived.notify_waiters();
        });
    }

    async fn send_cancel(&self) -> Result<(), super::ConnectError> {
        let Some((pid, secret)) = &self.key else { return Ok(()) };
        let mut socket = self.destination.open().await?;
        let length = u32::try_from(12 + secret.len()).unwrap_or(u32::MAX);
        let request = [&length.to_be_bytes(), &CANCEL_REQUEST.to_be_bytes(), &pid[..], secret].concat();
        socket.write_all(&request).await.map_err(super::ConnectError::Lost)?;
        // The origin closes when it has passed the signal on.
        let _ = socket.read_u8().await;
        Ok(())
    }
}

/// What a client shows to cancel its own work: a number and a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientKey {
    pub(super) number: u32,
    pub(super) secret: [u8; 32],
}

/// A wish that somebody else has about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Stop waiting for a connection.
    Cancel = 1,
    /// Go when the transaction is over.
    Leave = 2,
}

/// What others may see of a client.
#[derive(Debug)]
pub(super) struct ClientHandle {
    pub(super) key: ClientKey,
    /// The connection it works on now.
    holding: Mutex<Option<Arc<BackendKey>>>,
    wishes: AtomicU8,
    pub(super) waker: AtomicWaker,
}

impl ClientHandle {
    /// Of one whom nobody can ask for anything.
    pub(super) fn of_nobody() -> Self {
        Self {
            key: ClientKey { number: 0, secret: [0; 32] },
            holding: Mutex::new(None),
            wishes: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn hold(&self, backend: &Arc<BackendKey>) {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(backend));
    }

    /// From now on cancel requests of this client do not reach the connection any more.
    pub(super) fn let_go(&self) {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn wishes(&self) -> bool {
        self.wishes.load(Ordering::Acquire) != 0
    }

    pub(super) fn take_cancel(&self) -> bool {
        self.wishes.fetch_and(!(Wish::Cancel as u8), Ordering::AcqRel) & Wish::Cancel as u8 != 0
    }

    pub(super) fn must_leave(&self) -> bool {
        self.wishes.load(Ordering::Acquire) & Wish::Leave as u8 != 0
    }

    fn wish(&self, wish: Wish) {
        self.wishes.fetch_or(wish as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    fn cancel(&self) {
        let holding = self.holding.lock().unwrap_or_else(PoisonError::into_inner);
        match &*holding {
            // Under the lock: it cannot be let go before the request is counted.
            Some(backend) => backend.cancel(),
            None => self.wish(Wish::Cancel),
        }
    }
}

/// All clients of one configuration.
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_number: Mutex<HashMap<u32, Weak<ClientHandle>>>,
    closed: AtomicBool,
}

impl Clients {
    /// `None` if nobody is let in any more.
    pub(super) fn enter(&self, clock: &dyn Clock) -> Option<Arc<ClientHandle>> {
        let mut clients = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let mut secret = [0; 32];
        clock.random(&mut secret);
        let number = loop {
            let mut bytes = [0; 4];
            clock.random(&mut bytes);
            // Positive, as process numbers are.
            let number = u32::from_be_bytes(bytes) >> 1;
            if number != 0 && !clients.contains_key(&number) {
                break number;
            }
        };
        let handle = Arc::new(ClientHandle {
            key: ClientKey { number, secret },
            holding: Mutex::new(None),
            wishes: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        });
        clients.insert(number, Arc::downgrade(&handle));
        Some(handle)
    }

    pub(super) fn leave(&self, number: u32) {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    pub(super) fn count(&self) -> usize {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[cfg(test)]
    pub(super) fn any(&self) -> Option<Weak<ClientHandle>> {
        self.by_number.lock().unwrap_or_else(PoisonError::into_inner).values().next().cloned()
    }

    /// Carries out a client's cancel request, if it knows the secret. Nobody is told whether it did.
    pub(super) fn cancel(&self, number: u32, secret: &[u8]) -> bool {
        let client = self.by_number.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned();
        let Some(client) = client.and_then(|client| client.upgrade()) else { return false };
        // Protocol 3.0 has room for four bytes.
        let known = &client.key.secret[..];
        if secret != known && secret != &known[..4] {
            return false;
        }
        client.cancel();
        true
    }

    /// Lets nobody in any more, and asks everybody to go when their transaction is over.
    pub(super) fn close(&self) {
        let clients = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        for client in clients.values().filter_map(Weak::upgrade) {
            client.wish(Wish::Leave);
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_base::SystemClock;

    use super::*;

    #[tokio::test]
    async fn only_who_knows_the_secret_cancels_and_only_what_is_held_now() {
        let clients = Clients::default();
        let client = clients.enter(&SystemClock).unwrap();
        let ClientKey { number, secret } = client.key;
        let destination =
            Destination { host: "/nonexistent".to_owned(), port: 0, tls: None, tls_is_optional: false };
        let backend = Arc::new(BackendKey::new(Arc::new(destination), None));
        client.hold(&backend);
        assert!(!clients.cancel(number, b"nope"));
        assert!(!clients.cancel(number, &[]));
        assert!(!clients.cancel(number ^ 1, &secret));
        assert!(!backend.is_being_cancelled());
        assert!(clients.cancel(number, &secret[..4]));
        assert!(clients.cancel(number, &secret));
        assert!(backend.is_being_cancelled());
        client.let_go();
        backend.settled().await;
        assert!(clients.cancel(number, &secret));
        assert!(!backend.is_being_cancelled());
        assert!(client.take_cancel() && !client.take_cancel());
        clients.leave(number);
        assert!(!clients.cancel(number, &secret));
        clients.close();
        assert!(clients.enter(&SystemClock).is_none());
    }
}
