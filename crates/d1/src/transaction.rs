//! Transactions that a client holds open: what Cloudflare's D1 does not have, off unless a limit allows it.
//!
//! One occupies the writer. Other writes wait meanwhile, each for as long as a request may wait; reads go on and
//! see what was committed before.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use selvedge_sqlite::WriteError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::{Committed, Shared};
use crate::run::Stop;
use crate::{Database, Format, Outcome, QueryError, Statement};

/// An open transaction. Dropping it rolls it back, as does its time running out.
#[derive(Debug)]
pub struct Transaction {
    orders: mpsc::SyncSender<Order>,
    end: End,
}

/// What became of it.
#[derive(Debug)]
enum End {
    Pending(JoinHandle<Result<(), QueryError>>),
    /// It has been told.
    Told {
        timeout: bool,
    },
}

impl End {
    async fn told(&mut self) -> Result<(), QueryError> {
        let end = match self {
            Self::Pending(end) => end.await.unwrap_or(Err(QueryError::TransactionOver)),
            Self::Told { timeout: true } => Err(QueryError::TransactionTimeout),
            Self::Told { timeout: false } => Err(QueryError::TransactionOver),
        };
        *self = Self::Told { timeout: matches!(end, Err(QueryError::TransactionTimeout)) };
        end
    }
}

#[derive(Debug)]
enum Order {
    Run {
        statements: Vec<Statement>,
        format: Format,
        reply: oneshot::Sender<Result<Vec<Outcome>, QueryError>>,
    },
    Commit,
}

impl Database {
    /// Begins a transaction, once those who came before are done. It ends after `limits.transaction_time` at the
    /// latest: what it did is undone then, and whoever uses it hears of it.
    pub async fn transaction(&self) -> Result<Transaction, QueryError> {
        let time = self.shared().limits.transaction_time.ok_or(QueryError::NoTransactions)?;
        self.transaction_within(time, time).await
    }

    /// As [`Database::transaction`], whatever the limits say, for `time` at most, and for as long as no more than
    /// `idle` passes between two calls: who has gone away must not keep the writer from others.
    pub async fn transaction_within(
        &self,
        time: Duration,
        idle: Duration,
    ) -> Result<Transaction, QueryError> {
        // A second order waits: they come one after the other.
        let (orders, receiver) = mpsc::sync_channel(1);
        let (begun, has_begun) = oneshot::channel();
        let database = self.clone();
        let waits_until = Instant::now() + self.shared().limits.request_time;
        let end = tokio::spawn(async move {
            let shared = Arc::clone(database.shared());
            let job = move |writer: &Connection| {
                let now = Instant::now();
                if now >= waits_until {
                    return Err(QueryError::QueuedTooLong);
                }
                // Whoever is gone has dropped the orders too.
                let _ = begun.send(());
                serve(&shared, writer, &receiver, now + time, idle)
            };
            match database.run_on_writer(true, job).await {
                Ok(((), _)) => Ok(()),
                Err(WriteError::Job(error)) => Err(error),
                Err(WriteError::Database(error)) => Err(QueryError::from_commit(error)),
            }
        });
        match has_begun.await {
            Ok(()) => Ok(Transaction { orders, end: End::Pending(end) }),
            Err(_) => match end.await {
                Ok(Err(error)) => Err(error),
                _ => Err(QueryError::TransactionOver),
            },
        }
    }
}

impl Transaction {
    /// Runs `statements`: all, or, when one fails, none. What was done before stays, and the transaction open.
    pub async fn query(
        &mut self,
        statements: Vec<Statement>,
        format: Format,
    ) -> Result<Vec<Outcome>, QueryError> {
        let (reply, answer) = oneshot::channel();
        if self.orders.try_send(Order::Run { statements, format, reply }).is_err() {
            return Err(self.why_over().await);
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(self.why_over().await),
        }
    }

    /// Commits. An `Ok` means that it is on the disk.
    pub async fn commit(mut self) -> Result<(), QueryError> {
        // An end that came first says why.
        let _ = self.orders.try_send(Order::Commit);
        drop(self.orders);
        self.end.told().await
    }

    /// Undoes it. Dropping does the same without waiting until it is done.
    pub async fn rollback(mut self) {
        drop(self.orders);
        // It ends with the error that made the writer undo it.
        let _ = self.end.told().await;
    }

    /// It is over, or about to be: the writer has let go of the orders.
    async fn why_over(&mut self) -> QueryError {
        self.end.told().await.err().unwrap_or(QueryError::TransactionOver)
    }
}

/// Does on the writer what the orders say, until the commit. An error undoes everything.
fn serve(
    shared: &Shared,
    writer: &Connection,
    orders: &mpsc::Receiver<Order>,
    until: Instant,
    idle: Duration,
) -> Result<((), Committed), QueryError> {
    shared.run(writer, Format::Objects, until, |all| {
        loop {
            match orders.recv_timeout(idle.min(until.saturating_duration_since(Instant::now()))) {
                Ok(Order::Run { statements, format, reply }) => {
                    let run = shared.on_writer(writer, format, until);
                    let answer = one(writer, || run.request(&statements).map_err(Stop::on_writer));
                    run.put_back().map_err(QueryError::from_sqlite)?;
                    all.effects.also(&run.effects);
                    let is_over = writer.is_autocommit();
                    let late = matches!(answer, Err(QueryError::Timeout));
                    // Whoever does not wait for the answer still wants what comes after.
                    let _ = reply.send(if late { Err(QueryError::TransactionTimeout) } else { answer });
                    if late || is_over {
                        return Err(if late {
                            QueryError::TransactionTimeout
                        } else {
                            QueryError::TransactionOver
                        });
                    }
                }
                Ok(Order::Commit) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(QueryError::TransactionTimeout),
                Err(RecvTimeoutError::Disconnected) => return Err(QueryError::TransactionOver),
            }
        }
    })
}

/// Runs `work` in a savepoint of its own.
fn one<T>(writer: &Connection, work: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
    let own = |sql: &str| -> Result<(), QueryError> {
        let mut statement = writer.prepare_cached(sql).map_err(QueryError::from_sqlite)?;
        statement.execute([]).map(drop).map_err(QueryError::from_sqlite)
    };
    own("SAVEPOINT request")?;
    let answer = work();
    // SQLite may have undone the whole transaction.
    if !writer.is_autocommit() {
        if answer.is_err() {
            own("ROLLBACK TO request")?;
        }
        own("RELEASE request")?;
    }
    answer
}
