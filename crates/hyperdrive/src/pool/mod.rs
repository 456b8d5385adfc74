//! A bounded set of connections to one origin, shared by any number of clients.
//!
//! Nothing here knows a protocol: a [`Connect`] opens connections and says whether an idle one is still alive.
//! Who takes a connection gets a [`Lease`]; only [`Lease::give_back`] puts it into the pool again. A lease that is
//! dropped any other way closes its connection, because nobody knows in which state it is.
//!
//! Connections may be of several kinds, if the [`Connect`] says so; who asks for one says of which.

mod activity;
mod config;
mod grow;
mod inner;
mod janitor;
mod lease;
mod matching;
mod metrics;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use activity::{Activity, Verdict};
pub use config::PoolConfig;
pub use lease::{Lease, Ticket};
pub use metrics::{Counters, Histogram, Status};

use inner::Inner;

/// Opens connections to an origin.
pub trait Connect: Send + Sync + 'static {
    type Connection: Send + 'static;
    type Error: fmt::Display + Send + Sync + 'static;
    /// What tells connections apart that were opened differently; `()` if they are all alike. Cheap to clone.
    type Kind: Clone + Send + Sync + 'static;

    /// The kind of those that nobody asked for, and of those that are shared by clients who have no room for one of
    /// their own kind.
    fn plain(&self) -> Self::Kind;

    /// Of what use a connection `of` this kind is to who wants the other.
    fn fit(of: &Self::Kind, wanted: &Self::Kind) -> Fit {
        let _ = (of, wanted);
        Fit::Exact
    }

    /// A connection that is ready for a client's first request. The pool ends it after
    /// [`PoolConfig::connect_timeout`].
    fn connect(
        &self,
        kind: &Self::Kind,
    ) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// The failure to report when [`connect`](Self::connect) was ended for taking too long.
    fn timed_out(&self) -> Self::Error;

    /// True if trying again soon cannot help (a wrong password): those who wait are told at once. False for an
    /// origin that is being restarted: they keep waiting.
    fn is_permanent(error: &Self::Error) -> bool;

    /// True if the origin opens other kinds, but not this one: those who wait for it are told at once.
    fn is_about_kind(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether a connection that lay idle can be used: open, and nothing unexpected has arrived on it. Must not
    /// block.
    fn is_alive(connection: &mut Self::Connection) -> bool;

    /// Says goodbye and closes. Must not block; a farewell that cannot be sent at once is not sent.
    fn close(connection: Self::Connection);
}

/// Of what use a connection of one kind is to who wants another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Exact,
    /// It will do, when there is no room for one that fits exactly. Whoever takes it adapts it.
    Usable,
    No,
}

/// Why no connection was to be had.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError<E: fmt::Display> {
    /// All connections were taken for [`PoolConfig::acquire_timeout`], or the origin did not come back in that
    /// time; then `last` is why the last attempt to connect failed.
    #[error("no connection became free in {} ms{}", waited.as_millis(), reason(last.as_deref()))]
    Timeout { waited: Duration, last: Option<Arc<E>> },
    #[error("{waiting} clients are waiting for a connection already")]
    QueueFull { waiting: usize },
    /// The origin will not have us, and waiting would not change that.
    #[error("{0}")]
    Refused(Arc<E>),
    /// The origin does not open connections of the kind that was asked for.
    #[error("{0}")]
    Unfit(Arc<E>),
    #[error("the pool is shutting down")]
    Draining,
}

fn reason<E: fmt::Display>(last: Option<&E>) -> String {
    last.map(|error| format!("; the last attempt to connect failed: {error}")).unwrap_or_default()
}

/// A handle on the pool of one origin. Cheap to clone; the pool lives as long as a handle or a lease does.
pub struct Pool<C: Connect> {
    inner: Arc<Inner<C>>,
}

impl<C: Connect> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: Connect> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish()
    }
}

impl<C: Connect> Pool<C> {
    /// Must be called inside a tokio runtime: the pool has a task of its own that enforces its time limits.
    pub fn new(connector: C, config: PoolConfig) -> Self {
        let inner = Arc::new(Inner::new(connector, config));
        tokio::spawn(janitor::run(Arc::downgrade(&inner)));
        Self { inner }
    }

    /// A free connection of this kind, at once; without room for one more, another that is usable. `None` if that
    /// would need waiting. Does not overtake those who wait.
    pub fn try_acquire(&self, kind: &C::Kind) -> Option<Lease<C>> {
        self.inner.take_idle(kind)
    }

    /// Joins the queue for a connection, behind everybody who waits already.
    pub fn enqueue(&self, kind: C::Kind) -> Result<Ticket<C>, AcquireError<C::Error>> {
        self.inner.enqueue(kind)
    }

    /// A connection, after [`PoolConfig::acquire_timeout`] at most. Dropping the future leaves the queue.
    pub async fn acquire(&self, kind: &C::Kind) -> Result<Lease<C>, AcquireError<C::Error>> {
        match self.try_acquire(kind) {
            Some(lease) => Ok(lease),
            None => self.enqueue(kind.clone())?.await,
        }
    }

    /// Whether a connection could be opened now without closing another.
    pub fn has_room(&self) -> bool {
        self.inner.lock().has_room()
    }

    /// Takes over new limits. Connections over the new maximum are closed when they are given back; nobody is
    /// interrupted.
    pub fn reconfigure(&self, config: PoolConfig) {
        self.inner.reconfigure(config);
    }

    /// From now on connections are opened by `connector`. Idle ones are closed, taken ones when they are given back.
    pub fn replace_connector(&self, connector: C) {
        self.inner.replace_connector(connector);
    }

    /// Closes every connection to the origin: idle ones now, taken ones when they are given back.
    pub fn restart(&self) {
        self.inner.restart();
    }

    /// Lets nobody in any more and waits until every taken connection is given back, for `patience` at most.
    /// Returns the number of those that are still taken.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.inner.drain(patience).await
    }

    pub fn config(&self) -> Arc<PoolConfig> {
        self.inner.config()
    }

    pub fn connector(&self) -> Arc<C> {
        self.inner.connector()
    }

    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    /// How the pool stands at this moment.
    pub fn status(&self) -> Status {
        self.inner.status()
    }
}
