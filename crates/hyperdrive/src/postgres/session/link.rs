//! Getting a connection, and giving it back or up.

use std::sync::Arc;

use super::super::config::Mode;
use super::super::error::{PgError, Severity};
use super::super::hear::Heard;
use super::super::message::{from_client, push_parameter, push_query, push_ready};
use super::super::params::{TRACKED, push_set};
use super::super::reset;
use super::super::sql::Effects;
use super::{Course, Failure, Session};
use crate::Stream;
use crate::pool::{Counters, Lease};
use crate::postgres::connect::PgConnect;

impl<S: Stream> Session<S> {
    /// True if there is a connection to use now. If not, either the client waits for one or `self.failure` says why
    /// it gets none.
    pub(super) fn acquire(&mut self) -> bool {
        if self.lease.is_none() {
            match self.server.pool.try_acquire(&self.kind) {
                Some(lease) => self.link(lease),
                None => match self.server.pool.enqueue(self.kind.clone()) {
                    Ok(ticket) => self.ticket = Some(ticket),
                    Err(error) => self.failure = Some(Box::new(Failure::from(error))),
                },
            }
        }
        self.lease.is_some() && !self.preparing
    }

    /// Makes the connection this client's, with its settings.
    pub(super) fn link(&mut self, mut lease: Lease<PgConnect>) {
        self.handle.hold(&lease.key);
        self.names.unnamed_is_here = false;
        lease.notifications = self.mode == Mode::Session;
        self.inbox_is_due = true;
        let start = &self.kind.settings;
        let same_start = Arc::ptr_eq(start, &lease.in_force);
        let own_defaults = !self.characteristics.are_default();
        if !same_start || own_defaults || !Arc::ptr_eq(&self.params, &lease.params) {
            let mut sql = Vec::new();
            if !same_start {
                let reset = !Arc::ptr_eq(&lease.in_force, &lease.defaults);
                if reset {
                    sql.extend_from_slice(b"RESET ALL; ");
                }
                // What it was opened with besides is among these, or it would not have been given out.
                let adapt = !Arc::ptr_eq(start, &lease.defaults);
                for (name, value) in start.untracked().filter(|_| adapt) {
                    push_set(&mut sql, name, value);
                }
                for name in TRACKED.into_iter().filter(|_| reset) {
                    if let Some(value) = self.params.get(name) {
                        push_set(&mut sql, name, value);
                    }
                }
                lease.in_force = Arc::clone(start);
            }
            for (name, value) in self.params.differences(&lease.params) {
                push_set(&mut sql, name, value);
            }
            if own_defaults {
                // They are undone like every SET when the connection goes back.
                self.characteristics.push(&mut sql);
                lease.dirty |= Effects::SETTINGS;
            }
            if sql.is_empty() {
                self.params = Arc::clone(&lease.params);
            } else {
                push_query(self.to_origin.bytes(), &sql);
                lease.expect(super::Expect::Internal);
                lease.activity().running();
                self.preparing = true;
            }
        }
        self.lease = Some(lease);
    }

    /// The connection has, or has not, taken this client's settings.
    fn prepared(&mut self) {
        self.preparing = false;
        self.inbox_is_due = true;
        let Some(lease) = &mut self.lease else { return };
        if let Some(error) = lease.internal_error.take() {
            // What a client asks for when it connects, and cannot have, ends its connection.
            error.push_as(self.to_client.bytes(), Severity::Fatal);
            self.course = Course::Closing;
            lease.dirty |= Effects::SETTINGS;
            return self.release();
        }
        for (name, value) in lease.params.differences(&self.params) {
            push_parameter(self.to_client.bytes(), name, value);
        }
        self.params = Arc::clone(&lease.params);
    }

    pub(super) fn heard(&mut self, heard: &Heard) {
        if heard.internal_done {
            self.prepared();
        }
        let Some(lease) = &self.lease else { return };
        let counters = self.server.pool.counters();
        Counters::add(&counters.requests, u64::from(heard.ready));
        Counters::add(&counters.transactions, u64::from(heard.idle));
        let between_messages = self.body_left == 0 || self.body_dropped;
        if lease.is_at_rest() && !self.preparing && self.to_origin.is_empty() && between_messages {
            match self.mode {
                Mode::Transaction if !heard.internal_done => self.release(),
                _ => lease.activity().idle(),
            }
        } else if lease.expected.is_empty() {
            lease.activity().waiting_for_client();
        } else if heard.ready > 0 {
            lease.activity().running();
        }
    }

    /// Gives back a connection that is at rest.
    pub(super) fn release(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        self.handle.let_go();
        if !Arc::ptr_eq(&self.params, &lease.params) {
            self.params = Arc::clone(&lease.params);
        }
        if lease.dirty.contains(Effects::RESET) {
            lease.dirty = lease.dirty.without(Effects::RESET);
            self.undo_foreign_reset(&lease);
        }
        if self.mode == Mode::Session {
            lease.dirty |= Effects::SESSION;
        }
        reset::give_back(lease, self.server.config().reset);
    }

    /// What was reset on a connection that was opened for others gets this client's own values: it finds them on the
    /// next connection.
    fn undo_foreign_reset(&mut self, lease: &Lease<PgConnect>) {
        let (start, table) = (&self.kind.settings, &self.server.params);
        if Arc::ptr_eq(start, &lease.defaults) {
            return;
        }
        let Some(foreign) = table.reported(&lease.defaults) else { return };
        let (own, plain) = (table.reported(start), table.reported(&table.plain));
        for name in TRACKED.into_iter().filter(|name| *name != b"application_name") {
            let value = own.as_ref().and_then(|own| own.get(name));
            let value = value.or_else(|| start.get(name)).or_else(|| plain.as_ref()?.get(name));
            if let Some(value) = value
                && lease.params.get(name) == foreign.get(name)
                && let Some(params) = table.with(&self.params, name, value)
            {
                self.params = params;
            }
        }
    }

    /// Closes a connection whose state is not known. What it works on is cancelled: nobody waits for it.
    pub(super) fn abandon(&mut self) {
        self.recorder = None;
        let Some(lease) = self.lease.take() else { return };
        self.handle.let_go();
        if !lease.expected.is_empty() && !lease.doomed {
            lease.key.cancel();
        }
    }

    /// The session is over.
    pub(super) fn let_go(&mut self) {
        self.ticket = None;
        let clean = self.lease.as_ref().is_some_and(|lease| lease.is_at_rest());
        if clean && self.to_origin.is_empty() && self.body_left == 0 {
            self.release();
        } else {
            self.abandon();
        }
    }

    /// The origin has gone, or cannot be trusted any more.
    pub(super) fn lost(&mut self, why: &str) {
        let Some(lease) = &self.lease else { return };
        if lease.doomed {
            // It has told the client itself.
            self.course = Course::Closing;
            return self.abandon();
        }
        self.fatal(&PgError::fatal(*b"08006", format!("the request was not finished: {why}")));
    }

    /// Tells the client and closes its connection. The connection to the origin is closed too.
    pub(super) fn fatal(&mut self, error: &PgError) {
        // Inside a message there is no place for another.
        let inside = self.lease.as_ref().is_some_and(|lease| lease.body_left > 0 && !lease.body_hidden);
        if !inside {
            error.push_as(self.to_client.bytes(), Severity::Fatal);
        }
        self.course = Course::Closing;
        self.abandon();
    }

    /// The request at the start of the inbox gets an error for an answer.
    pub(super) fn fail_request(&mut self, failure: &Failure) {
        if self.handle.must_leave() {
            return self.fatal(&PgError::shutting_down());
        }
        self.recorder = None;
        if matches!(failure, Failure::Startup(_)) {
            failure.push_as(self.to_client.bytes(), Severity::Fatal);
            self.course = Course::Closing;
            return;
        }
        failure.push_as(self.to_client.bytes(), Severity::Error);
        self.inbox_is_due = true;
        match self.first_in_inbox() {
            Some(header) if matches!(header.kind, from_client::QUERY | from_client::FUNCTION_CALL) => {
                let there = header.length.min(self.inbox.len());
                self.inbox.drain(..there);
                self.body_left = header.length - there;
                self.body_dropped = true;
                push_ready(self.to_client.bytes(), b'I');
            }
            _ => self.skipping = true,
        }
    }

    /// The statement has had its time.
    pub(super) fn time_out(&mut self) {
        Counters::one(&self.server.pool.counters().statement_timeouts);
        let Some(lease) = &mut self.lease else { return };
        if lease.timed_out {
            // It does not even react to being cancelled.
            self.fatal(&PgError::fatal(*b"57014", "canceling statement due to statement timeout"));
        } else {
            lease.timed_out = true;
            lease.key.cancel();
        }
    }
}
