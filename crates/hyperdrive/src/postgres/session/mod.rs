//! One client after its login: a state machine that is polled, not a chain of futures, so that an idle client costs
//! its fields and nothing else.

mod cached;
mod failure;
mod io;
mod link;
mod prepared;
mod tell;

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::backend::Expect;
use super::caching::Recorder;
use super::cancel::ClientHandle;
use super::config::Mode;
use super::connect::PgConnect;
use super::error::PgError;
use super::hear::{Heard, Surprise};
use super::kind::Kind;
use super::message::Header;
use super::names::Names;
use super::params::Params;
use super::server::Postgres;
use super::sql::Characteristics;
use crate::Stream;
use crate::pool::{Counters, Lease, Ticket, Verdict};
pub(super) use failure::Failure;
use io::Outgoing;

/// What a client may have waiting for a connection, or unread from us, before we stop reading from it.
const WAITING: usize = 64 * 1024;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client said goodbye, or has gone.
    Gone,
    /// It was told why.
    Closed,
}

/// The session is over once what it was told has gone out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Open,
    Closing,
}

#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Session<S> {
    client: S,
    server: Arc<Postgres>,
    handle: Arc<ClientHandle>,
    mode: Mode,
    course: Course,
    /// The settings as the client sees them.
    params: Arc<Params>,
    /// What it asked for when it connected.
    kind: Kind,
    /// The defaults of its transactions that it has set since.
    characteristics: Characteristics,
    names: Names,

    /// What the client sent and what could not be dealt with yet: part of a message, or all while it waits.
    inbox: Vec<u8>,
    /// There may be whole messages in the inbox.
    inbox_is_due: bool,
    /// What is still to come of a message that is passed on, or dropped, as it comes.
    body_left: usize,
    body_dropped: bool,
    /// After an error of ours outside a transaction: nothing counts until the next Sync.
    skipping: bool,
    /// The connection is broken, or closed without a word.
    client_is_gone: bool,
    /// It has said goodbye; what it asked for before that is still done.
    is_leaving: bool,
    /// Why the request at hand gets no connection.
    failure: Option<Box<Failure>>,

    to_client: Outgoing,
    to_origin: Outgoing,
    lease: Option<Lease<PgConnect>>,
    ticket: Option<Ticket<PgConnect>>,
    /// The connection is being given this client's settings.
    preparing: bool,
    /// Takes down the answer that is due next, for the cache.
    recorder: Option<Box<Recorder>>,
    /// Nobody waits for the answers but the cache.
    is_refresh: bool,
}

/// What a client brings from its login.
pub(super) struct Admitted {
    pub(super) handle: Arc<ClientHandle>,
    pub(super) mode: Mode,
    pub(super) params: Arc<Params>,
    pub(super) kind: Kind,
    /// What it has sent already.
    pub(super) inbox: Vec<u8>,
}

impl<S: Stream> Session<S> {
    pub(super) fn new(client: S, server: Arc<Postgres>, admitted: Admitted) -> Self {
        Self {
            client,
            server,
            handle: admitted.handle,
            mode: admitted.mode,
            course: Course::Open,
            params: admitted.params,
            kind: admitted.kind,
            characteristics: Characteristics::default(),
            names: Names::default(),
            inbox_is_due: !admitted.inbox.is_empty(),
            inbox: admitted.inbox,
            body_left: 0,
            body_dropped: false,
            skipping: false,
            client_is_gone: false,
            is_leaving: false,
            failure: None,
            to_client: Outgoing::default(),
            to_origin: Outgoing::default(),
            lease: None,
            ticket: None,
            preparing: false,
            recorder: None,
            is_refresh: false,
        }
    }

    /// Asks on the cache's behalf.
    pub(super) fn for_cache(
        client: S,
        server: Arc<Postgres>,
        admitted: Admitted,
        recorder: Recorder,
    ) -> Self {
        Self { recorder: Some(Box::new(recorder)), is_refresh: true, ..Self::new(client, server, admitted) }
    }

    pub(super) async fn run(mut self) -> End {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.let_go();
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.handle.waker.register(cx.waker());
        loop {
            let mut moved = false;
            match self.to_client.poll_send(&mut self.client, cx) {
                Ok(sent) => moved |= sent,
                Err(_) => return Poll::Ready(End::Gone),
            }
            if self.course == Course::Closing {
                if self.to_client.is_empty() {
                    return Poll::Ready(End::Closed);
                }
                return Poll::Pending;
            }
            if self.handle.wishes() {
                self.heed_wishes();
            }
            if self.lease.is_some() {
                moved |= self.poll_origin(cx);
            } else if let Some(ticket) = &mut self.ticket
                && let Poll::Ready(outcome) = Pin::new(ticket).poll(cx)
            {
                self.ticket = None;
                moved = true;
                match outcome {
                    Ok(lease) => self.link(lease),
                    Err(error) => self.fail_request(&Failure::from(error)),
                }
            }
            moved |= self.poll_client(cx);
            if self.client_is_gone || self.has_left() {
                return Poll::Ready(End::Gone);
            }
            if !moved && self.course == Course::Open {
                return Poll::Pending;
            }
        }
    }

    fn has_left(&self) -> bool {
        let done = self.lease.as_ref().is_none_or(|lease| lease.expected.is_empty());
        self.is_leaving && done && self.to_origin.is_empty() && self.to_client.is_empty()
    }

    /// Everything that can be done with the connection to the origin now. True if something was.
    fn poll_origin(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(lease) = &mut self.lease else { return false };
        match lease.activity().poll_verdict(cx) {
            Some(Verdict::StatementTimeout) => self.time_out(),
            Some(Verdict::IdleTransaction) => {
                Counters::one(&self.server.pool.counters().idle_transaction_timeouts);
                self.fatal(&PgError::fatal(
                    *b"25P03",
                    "terminating connection due to idle-in-transaction timeout",
                ));
            }
            None => {}
        }
        let Some(lease) = &mut self.lease else { return true };
        let Ok(sent) = self.to_origin.poll_send(&mut lease.socket, cx) else {
            self.lost("the connection to the origin was lost");
            return true;
        };
        // A client that does not read its answers gets no more of them.
        if !self.to_client.is_empty() {
            return sent;
        }
        match self.poll_hear(cx) {
            Poll::Pending => sent,
            Poll::Ready(Ok(heard)) => {
                self.heard(&heard);
                true
            }
            Poll::Ready(Err(Loss::Closed)) => {
                self.lost("the origin closed the connection");
                true
            }
            Poll::Ready(Err(Loss::Surprise(Surprise(what)))) => {
                Counters::one(&self.server.pool.counters().protocol_mismatches);
                tracing::error!("a connection to the origin was closed: it sent {what}");
                self.lost("the origin sent what was not due");
                true
            }
            Poll::Ready(Err(Loss::Client)) => {
                self.client_is_gone = true;
                true
            }
        }
    }

    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Loss>> {
        let Self { lease: Some(lease), client, to_client, names, server, recorder, .. } = self else {
            return Poll::Pending;
        };
        let backend = &mut **lease;
        let result = io::poll_read(backend, cx, |backend, input, output, cx| {
            if input.is_empty() {
                return Err(Loss::Closed);
            }
            let counters = server.pool.counters();
            Counters::add(&counters.bytes_from_origin, input.len() as u64);
            let mut heard = Heard::default();
            let was_inside = backend.body_left > 0 && !backend.body_hidden;
            let bytes = match backend.hear(input, output, names, &mut heard) {
                Ok(bytes) => bytes,
                Err(surprise) => {
                    if was_inside {
                        // The client has the start of a message, and nothing of this: its rest is missing.
                        (backend.body_left, backend.body_hidden) = (1, false);
                    }
                    return Err(Loss::Surprise(surprise));
                }
            };
            if let Some(recording) = recorder.take() {
                *recorder = recording.record(bytes, &heard).map(Box::new);
            }
            if !bytes.is_empty() {
                Counters::add(&counters.bytes_to_clients, bytes.len() as u64);
                to_client.send(client, cx, bytes).map_err(|_| Loss::Client)?;
            }
            Ok(heard)
        });
        result.map(|read| read.unwrap_or(Err(Loss::Closed)))
    }

    /// Reads from the client and deals with what it sent. True if anything was done.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> bool {
        if self.course != Course::Open || self.is_leaving || self.to_client.len() >= WAITING {
            return false;
        }
        let waits = self.ticket.is_some() || self.preparing;
        if waits {
            // To notice that it goes.
            return self.inbox.len() < WAITING && self.poll_read(cx, false);
        }
        if !self.to_origin.is_empty() {
            return false;
        }
        if self.inbox_is_due {
            self.inbox_is_due = false;
            let inbox = std::mem::take(&mut self.inbox);
            io::with_output(|output| self.tell(&inbox, output, cx));
            return true;
        }
        self.poll_read(cx, true)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, deal_with_it: bool) -> bool {
        let read = io::poll_read(self, cx, |session, input, output, cx| {
            if input.is_empty() {
                session.client_is_gone = true;
                return;
            }
            Counters::add(&session.server.pool.counters().bytes_from_clients, input.len() as u64);
            if !deal_with_it {
                session.inbox.extend_from_slice(input);
                session.inbox_is_due = true;
            } else if session.inbox.is_empty() {
                session.tell(input, output, cx);
            } else {
                let mut inbox = std::mem::take(&mut session.inbox);
                inbox.extend_from_slice(input);
                session.tell(&inbox, output, cx);
            }
        });
        match read {
            Poll::Pending => false,
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.client_is_gone = true;
                true
            }
        }
    }

    fn heed_wishes(&mut self) {
        if self.handle.take_cancel() && self.ticket.is_some() {
            self.ticket = None;
            let error = PgError::new(*b"57014", "canceling statement due to user request");
            self.fail_request(&Failure::Ours(error));
        }
        let busy = self.lease.as_ref().is_some_and(|lease| !lease.is_at_rest() || self.preparing);
        if self.handle.must_leave() && !busy && self.ticket.is_none() {
            self.release();
            self.fatal(&PgError::shutting_down());
        }
    }

    /// The message at the start of the inbox, if its header is there.
    fn first_in_inbox(&self) -> Option<Header> {
        Header::read(&self.inbox).ok().flatten()
    }
}

enum Loss {
    Closed,
    Surprise(Surprise),
    Client,
}

impl<S> io::Source for Session<S>
where
    S: Stream,
{
    type Stream = S;

    fn stream(&mut self) -> &mut S {
        &mut self.client
    }
}
