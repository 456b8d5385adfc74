//! One connection to the origin, and everything that is known about it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cancel::BackendKey;
use super::error::{OriginMessage, PgError};
use super::params::{ParamTable, Params};
use super::sql::Effects;
use super::statements::{Prepared, Statement};
use crate::net::Socket;

/// A prepared statement under a client's name for it.
pub(super) type Named = (Box<[u8]>, Arc<Statement>);

/// An answer that is due from the origin, or one of ours that has to wait for its turn.
#[derive(Debug)]
pub(super) enum Expect {
    /// A simple query: anything, to a `ReadyForQuery`.
    Query,
    /// The same, of something that is bound to fail, in place of what we refuse.
    RefusedQuery(Box<PgError>),
    /// A query of ours: the client sees nothing of it.
    Internal,
    Function,
    Sync,
    ParseUnnamed {
        hidden: bool,
    },
    Parse {
        statement: Arc<Statement>,
        name: Option<Box<[u8]>>,
        hidden: bool,
    },
    /// Of a name that the client has in use: bound to fail.
    ParseAgain,
    Bind(Option<Arc<Statement>>),
    Describe,
    Execute,
    Close {
        evicted: Option<Arc<Statement>>,
    },
    /// Part of an extended query that is bound to fail, in place of what we refuse.
    Refused(Box<PgError>),
    /// The client has ended a COPY; if none was going on, the origin says nothing to that.
    CopyEnd,
    /// `ParseComplete` from us: the statement is prepared on this connection.
    FakeParse {
        statement: Arc<Statement>,
        name: Box<[u8]>,
    },
    /// `CloseComplete` from us.
    FakeClose {
        closed: Option<Box<Named>>,
    },
}

/// A connection to the origin. What is relayed over it, and what is due, is counted here.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub struct Backend {
    pub(super) socket: Socket,
    pub(super) key: Arc<BackendKey>,
    /// The settings it has reported.
    pub(super) params: Arc<Params>,
    pub(super) table: Arc<ParamTable>,
    /// The settings it was opened with: what `RESET` gives.
    pub(super) defaults: Arc<Params>,
    /// The startup settings of the client it worked for last, as far as they are not reported.
    pub(super) in_force: Arc<Params>,
    /// What has to be undone before the next client.
    pub(super) dirty: Effects,
    pub(super) prepared: Prepared,
    /// Prepared here, of no use any more, and still to be closed.
    pub(super) stale: Vec<Arc<Statement>>,

    pub(super) expected: VecDeque<Expect>,
    /// Of the last `ReadyForQuery`: `I`, `T` or `E`.
    pub(super) status: u8,
    /// Since the last `ReadyForQuery` something was sent that will end in another.
    pub(super) in_batch: bool,
    /// After an error the origin reads on to the next Sync, and that is not sent yet.
    pub(super) skipping: bool,
    /// The origin takes rows from the client. It answers no Sync then.
    pub(super) copying_in: bool,

    /// The start of a message that is not complete.
    pub(super) partial: Vec<u8>,
    /// What is still to come of a message that is passed on as it comes.
    pub(super) body_left: usize,
    pub(super) body_hidden: bool,

    /// It has said goodbye.
    pub(super) doomed: bool,
    /// We asked it to cancel what it does, because that took too long.
    pub(super) timed_out: bool,
    /// What went wrong with a query of ours.
    pub(super) internal_error: Option<OriginMessage>,
    /// Notifications go to the client: the connection is its own.
    pub(super) notifications: bool,
}

impl Backend {
    pub(super) fn new(
        socket: Socket,
        key: Arc<BackendKey>,
        params: Arc<Params>,
        defaults: Arc<Params>,
        table: Arc<ParamTable>,
    ) -> Self {
        Self {
            socket,
            key,
            params,
            table,
            in_force: Arc::clone(&defaults),
            defaults,
            dirty: Effects::NONE,
            prepared: Prepared::default(),
            stale: Vec::new(),
            expected: VecDeque::new(),
            status: b'I',
            in_batch: false,
            skipping: false,
            copying_in: false,
            partial: Vec::new(),
            body_left: 0,
            body_hidden: false,
            doomed: false,
            timed_out: false,
            internal_error: None,
            notifications: false,
        }
    }

    /// Nothing is due, nothing is open, and nothing has arrived in part: the connection is between transactions.
    pub(super) fn is_at_rest(&self) -> bool {
        self.status == b'I' && !self.in_batch && self.is_quiet() && !self.doomed
    }

    /// Nothing is due and nothing has arrived in part.
    pub(super) fn is_quiet(&self) -> bool {
        self.expected.is_empty() && self.body_left == 0 && self.partial.is_empty() && !self.skipping
    }

    /// Adds to what is due, after the message it answers has been put on its way.
    #[inline]
    pub(super) fn expect(&mut self, expect: Expect) {
        self.in_batch = true;
        if self.skipping {
            // The origin ignores it.
            match expect {
                Expect::Sync => self.skipping = false,
                _ => return,
            }
        }
        self.expected.push_back(expect);
    }
}
