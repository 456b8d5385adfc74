//! Getting a connection, and giving it back or up.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

use super::super::answer::Shape;
use super::super::clients::Held;
use super::super::config::MySqlMode;
use super::super::connect::{ConnectError, MySqlConnect};
use super::super::error::MySqlError;
use super::super::wire::command;
use super::{Client, End, Session, failure};
use crate::Stream;
use crate::pool::{Counters, Lease, Pool};

/// A connection that takes longer to become clean is closed.
const PATIENCE: Duration = Duration::from_secs(10);

impl<S: Stream> Session<S> {
    /// Sees to it that there is a connection with the client's settings. `None`: the client was told why not.
    pub(super) async fn acquire(&mut self) -> Result<Option<()>, End> {
        if self.lease.is_some() {
            return Ok(Some(()));
        }
        let lease = match self.pool.try_acquire(&()) {
            Some(lease) => lease,
            None => match self.wait_for_lease().await? {
                Ok(lease) => lease,
                Err(error) => {
                    self.fail(&error).await?;
                    return Ok(None);
                }
            },
        };
        *self.handle.held.lock().await = Some(Held { number: lease.number, killed: false });
        let lease = self.lease.insert(lease);
        lease.activity().running();
        if lease.has_settings(&self.settings) {
            return Ok(Some(()));
        }
        match in_time(&self.pool, &mut self.client, lease.take_settings(&self.settings)).await {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                // What it has now nobody knows, if the origin did not merely refuse.
                let told = self.told(&error);
                if matches!(error, ConnectError::Origin(_)) {
                    self.release().await;
                } else {
                    self.abandon().await;
                }
                self.fail(&told).await?;
                Ok(None)
            }
        }
    }

    async fn wait_for_lease(&mut self) -> Result<Result<Lease<MySqlConnect>, MySqlError>, End> {
        let ticket = match self.pool.enqueue(()) {
            Ok(ticket) => ticket,
            Err(error) => return Ok(Err(failure(&error))),
        };
        let mut ticket = pin!(ticket);
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = ticket.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome.map_err(|error| failure(&error))));
            }
            if self.client.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(End::Gone));
            }
            if self.handle.poll_end(cx) {
                return Poll::Ready(Err(End::Told(self.reply, MySqlError::shutting_down())));
            }
            Poll::Pending
        })
        .await
    }

    /// What the client is told when a conversation of ours with the origin failed.
    pub(super) fn told(&self, error: &ConnectError) -> MySqlError {
        if let ConnectError::TimedOut = error {
            Counters::one(&self.pool.counters().statement_timeouts);
            return MySqlError::timed_out();
        }
        error.to_client()
    }

    /// Gives the connection back unless something of the client's is still on it.
    pub(super) async fn settle(&mut self) {
        let Some(lease) = &self.lease else { return };
        let pinned = self.pinned.next_transaction || self.pinned.long_data || self.pinned.cursor.is_some();
        if lease.in_transaction() || pinned || self.mode == MySqlMode::Session {
            return;
        }
        Counters::one(&self.pool.counters().transactions);
        self.release().await;
    }

    /// Gives back a connection whose answers are all there.
    pub(super) async fn release(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let held = self.handle.held.lock().await.take();
        lease.dirty |= held.is_some_and(|held| held.killed) || self.mode == MySqlMode::Session;
        if !lease.dirty && !lease.unsure {
            return lease.give_back();
        }
        lease.activity().idle();
        tokio::spawn(async move {
            let cleaned = timeout(PATIENCE, clean(&mut lease)).await;
            lease.give_back_if(cleaned);
        });
    }

    /// Closes a connection in the middle of something. What it works on is killed: nobody waits for it.
    pub(super) async fn abandon(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        *self.handle.held.lock().await = None;
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            if let Err(error) = server.beside(&format!("KILL {}", lease.number)).await {
                tracing::debug!("a connection could not be killed: {error}");
            }
            drop(lease);
        });
    }

    /// The session is over.
    pub(super) async fn leave(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        // Between commands everything can be undone.
        lease.dirty = true;
        if lease.buffer.is_empty() && !lease.busy {
            self.release().await;
        } else {
            self.abandon().await;
        }
    }
}

/// A conversation of ours with the origin: for as long as a statement may take, and as the client is there.
///
/// Boxed, because idle clients need not have room for it.
pub(super) fn in_time<S: Stream, T>(
    pool: &Pool<MySqlConnect>,
    client: &mut Client<S>,
    conversation: impl Future<Output = Result<T, ConnectError>>,
) -> Pin<Box<impl Future<Output = Result<T, ConnectError>>>> {
    let limit = pool.config().statement_timeout;
    Box::pin(async move {
        let watched = async {
            tokio::select! {
                biased;
                result = conversation => result,
                () = poll_fn(|cx| client.poll_gone(cx)) => {
                    Err(ConnectError::Lost(io::ErrorKind::BrokenPipe.into()))
                }
            }
        };
        match limit {
            Some(limit) => timeout(limit, watched).await.unwrap_or(Err(ConnectError::TimedOut)),
            None => watched.await,
        }
    })
}

/// Makes a connection clean for the next client.
async fn clean(lease: &mut Lease<MySqlConnect>) -> Result<(), ConnectError> {
    if lease.unsure && !lease.dirty {
        // An error does not tell whether a transaction is open.
        lease.ask(&[command::PING], Shape::Simple).await?;
        lease.dirty = lease.in_transaction();
        lease.unsure = false;
    }
    if lease.dirty {
        if let Err(ConnectError::Origin(error)) = lease.reset().await {
            // A KILL that came late.
            if error.code != 1317 {
                return Err(ConnectError::Origin(error));
            }
            lease.reset().await?;
        }
        lease.unsure = false;
    }
    Ok(())
}
