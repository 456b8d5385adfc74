//! One client's session: its commands, one after another.

mod cached;
mod client;
mod link;
mod prepared;
mod query;
mod relay;

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use super::answer::{Answer, Shape};
use super::clients::Handle;
use super::config::MySqlMode;
use super::connect::{ConnectError, MySqlConnect};
use super::error::MySqlError;
use super::greeting::ok;
use super::inspect::Inspected;
use super::login::Admitted;
use super::packet::{HEADER, answer_number, payload, push};
use super::server::MySql;
use super::settings::Settings;
use super::statements::Statement;
use super::wire::{command, status};
use crate::Stream;
use crate::cache;
use crate::net::TlsError;
use crate::pool::{AcquireError, Counters, Lease, Pool, Verdict};

use client::NoCommand;

pub(super) use client::Client;

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The client has gone, or cannot be spoken to any more.
    Gone,
    /// It is told why, with this packet number.
    Told(u8, MySqlError),
}

type Step = Result<(), End>;

pub(super) struct Session<S> {
    client: Client<S>,
    server: Arc<MySql>,
    pool: Pool<MySqlConnect>,
    mode: MySqlMode,
    handle: Arc<Handle>,
    lease: Option<Lease<MySqlConnect>>,
    /// Why the lease is kept although no transaction is open.
    pinned: Pinned,
    /// What the client started with.
    first_settings: Arc<Settings>,
    settings: Arc<Settings>,
    cached_as: Option<cache::Session>,
    autocommit: bool,
    /// What LAST_INSERT_ID() is to answer.
    insert_id: u64,
    /// The number of the first packet of the answer to the command at hand.
    reply: u8,
    /// To the command at hand nothing is answered.
    unanswered: bool,
    statements: HashMap<u32, Statement>,
    next_statement: u32,
    /// Zero when there is none, or the last prepare failed.
    last_prepared: u32,
}

#[derive(Debug, Default)]
struct Pinned {
    /// SET TRANSACTION was for the transaction that comes.
    next_transaction: bool,
    /// Values of a statement were sent ahead.
    long_data: bool,
    /// Rows of this statement are still to be fetched.
    cursor: Option<u32>,
}

/// What a client that gets no connection is told.
pub(super) fn failure(error: &AcquireError<ConnectError>) -> MySqlError {
    match error {
        AcquireError::Refused(error)
        | AcquireError::Unfit(error)
        | AcquireError::Timeout { last: Some(error), .. } => error.to_client(),
        AcquireError::Timeout { last: None, .. } | AcquireError::QueueFull { .. } => {
            MySqlError::no_connection(&error.to_string())
        }
        AcquireError::Draining => MySqlError::shutting_down(),
    }
}

impl<S: Stream> Session<S> {
    pub(super) fn new(client: Client<S>, server: Arc<MySql>, admitted: Admitted) -> Result<Self, TlsError> {
        let pool = server.pool_for(admitted.found_rows)?.clone();
        Ok(Self {
            client,
            mode: server.config().mode,
            server,
            pool,
            handle: admitted.handle,
            lease: None,
            pinned: Pinned::default(),
            first_settings: Arc::clone(&admitted.settings),
            settings: admitted.settings,
            cached_as: None,
            autocommit: true,
            insert_id: 0,
            reply: 1,
            unanswered: false,
            statements: HashMap::new(),
            next_statement: 1,
            last_prepared: 0,
        })
    }

    pub(super) async fn run(mut self) {
        let end = loop {
            let step = match self.listen().await {
                Ok(packets) => self.carry_out(packets).await,
                Err(end) => Err(end),
            };
            if let Err(end) = step {
                break end;
            }
        };
        // Before the client is told: it may be one that does not read.
        self.leave().await;
        if let End::Told(sequence, error) = end {
            // If it cannot be told it has gone.
            let _ = self.client.send(sequence, &error.payload()).await;
        }
        self.client.close().await;
    }

    /// Waits for the next command.
    async fn listen(&mut self) -> Result<Bytes, End> {
        let limit = self.server.config().max_packet;
        loop {
            match self.client.take_command(limit) {
                Ok(Some(packets)) => return Ok(packets),
                Ok(None) => {}
                Err(NoCommand::TooLong) => {
                    let text = "Got a packet bigger than 'max_allowed_packet' bytes";
                    return Err(End::Told(1, MySqlError::new(1153, *b"08S01", text)));
                }
                Err(NoCommand::Disordered) => {
                    return Err(End::Told(1, MySqlError::new(1156, *b"08S01", "Got packets out of order")));
                }
                Err(NoCommand::Gone) => return Err(End::Gone),
            }
            if let Some(lease) = &self.lease {
                lease.activity().waiting_for_client();
            }
            poll_fn(|cx| {
                if self.handle.poll_end(cx) {
                    return Poll::Ready(Err(End::Told(0, MySqlError::shutting_down())));
                }
                if let Some(lease) = &mut self.lease {
                    if lease.activity().poll_verdict(cx) == Some(Verdict::IdleTransaction) {
                        Counters::one(&self.pool.counters().idle_transaction_timeouts);
                        let text = "The client was disconnected by the server because of inactivity.";
                        return Poll::Ready(Err(End::Told(0, MySqlError::new(4031, *b"HY000", text))));
                    }
                    // Nothing is due: whatever comes is a goodbye.
                    if lease.poll_fill(cx).is_ready() {
                        return Poll::Ready(Err(End::Told(0, MySqlError::lost())));
                    }
                }
                match self.client.poll_read(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(End::Gone)),
                    Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
                }
            })
            .await?;
        }
    }

    async fn carry_out(&mut self, packets: Bytes) -> Step {
        Counters::one(&self.pool.counters().requests);
        Counters::add(&self.pool.counters().bytes_from_clients, packets.len() as u64);
        self.reply = answer_number(&packets);
        let Some(&code) = packets.get(HEADER) else {
            return self.fail(&MySqlError::malformed()).await;
        };
        self.unanswered = matches!(code, command::STMT_SEND_LONG_DATA | command::STMT_CLOSE);
        match code {
            command::QUIT => Err(End::Gone),
            command::QUERY => self.query(packets).await,
            command::STMT_EXECUTE => self.execute(packets).await,
            command::STMT_PREPARE => self.prepare(packets).await,
            command::STMT_CLOSE => self.close_statement(&packets).await,
            command::STMT_RESET => self.reset_statement(&packets).await,
            command::STMT_SEND_LONG_DATA => self.send_long_data(&packets).await,
            command::STMT_FETCH => self.fetch(&packets).await,
            // Whether we are there can be said without the origin.
            command::PING if self.lease.is_none() => self.say_ok().await,
            command::PING => self.pass(packets, Shape::Simple).await,
            command::STATISTICS => self.pass(packets, Shape::Text).await,
            command::FIELD_LIST => self.pass(packets, Shape::Columns).await,
            command::INIT_DB => {
                let payload = payload(&packets);
                self.use_database(&String::from_utf8_lossy(&payload[1..]), "COM_INIT_DB").await
            }
            command::PROCESS_KILL => {
                let payload = payload(&packets);
                let number =
                    payload.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
                self.kill(number.unwrap_or(0).into(), false).await
            }
            command::RESET_CONNECTION => self.reset().await,
            other => self.fail(&MySqlError::unsupported_command(&command::name(other))).await,
        }
    }

    /// A command that goes on as it is.
    async fn pass(&mut self, packets: Bytes, shape: Shape) -> Step {
        if self.acquire().await?.is_some() {
            self.hand_over(&packets, Answer::new(shape), None, &Inspected::default()).await?;
        }
        Ok(())
    }

    /// A client's own wish to start anew.
    async fn reset(&mut self) -> Step {
        self.statements.clear();
        self.set_settings(Arc::clone(&self.first_settings));
        self.insert_id = 0;
        self.autocommit = true;
        self.pinned = Pinned::default();
        if let Some(lease) = &mut self.lease {
            lease.dirty = true;
        }
        self.release().await;
        self.say_ok().await
    }

    async fn use_database(&mut self, name: &str, what: &str) -> Step {
        if name == self.server.credential().database {
            return self.say_ok().await;
        }
        self.fail(&MySqlError::unsupported_command(what)).await
    }

    async fn kill(&mut self, number: u64, query_only: bool) -> Step {
        let known = match u32::try_from(number) {
            Ok(number) => self.server.kill(number, !query_only).await,
            Err(_) => false,
        };
        if known {
            Counters::one(&self.pool.counters().cancels);
            return self.say_ok().await;
        }
        self.fail(&MySqlError::new(1094, *b"HY000", format!("Unknown thread id: {number}"))).await
    }

    fn set_settings(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
        self.cached_as = None;
    }

    /// An OK of ours.
    async fn say_ok(&mut self) -> Step {
        let mut flags = if self.autocommit { status::AUTOCOMMIT } else { 0 };
        if let Some(lease) = &self.lease {
            flags |= lease.status & (status::IN_TRANSACTION | status::IN_READ_ONLY_TRANSACTION);
        }
        self.say(&ok(flags)).await
    }

    async fn fail(&mut self, error: &MySqlError) -> Step {
        if self.unanswered {
            return Err(End::Told(self.reply, error.clone()));
        }
        self.say(&error.payload()).await
    }

    /// A packet of ours. While a connection is held there is a limit to how long a client may take to read it.
    async fn say(&mut self, payload: &[u8]) -> Step {
        let mut out = Vec::with_capacity(payload.len() + HEADER);
        push(&mut out, self.reply, payload);
        let taken = self.write(&out).await && self.flush().await;
        if taken { Ok(()) } else { Err(End::Gone) }
    }
}
