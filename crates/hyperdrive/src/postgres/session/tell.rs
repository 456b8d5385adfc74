//! What a client says: every message is written down as due before it goes on.

use std::task::Context;

use super::super::backend::{Backend, Expect};
use super::super::config::Mode;
use super::super::error::PgError;
use super::super::message::{HEADER, Header, from_client as kind, push_query, push_ready};
use super::super::relay::Relay;
use super::super::sql::{Effects, Inspection, inspect};
use super::cached::Batched;
use super::{Course, Session, WAITING};
use crate::Stream;
use crate::pool::Counters;

/// Texts up to this length are read for what they do to a session. What is longer passes through, and the session is
/// reset after it.
pub(super) const INSPECTED: usize = 256 * 1024;
/// The longest message of the kinds that hold little, with its header: PostgreSQL's own limit.
const LONGEST_SMALL: usize = 10_001;
/// `Bind` of a statement that nobody can have prepared.
const BIND_TO_FAIL: &[u8] = b"B\0\0\0\x15\0selvedge!\0\0\0\0\0\0\0";

/// What becomes of a message.
pub(super) enum Step {
    /// It goes on, or what is left of it.
    Pass,
    Drop,
    /// It has to be looked at again, with more of it or with a connection.
    NotYet,
}

/// A message, or the start of one.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) header: Header,
    /// As much as there is.
    pub(super) bytes: &'a [u8],
    /// Where it starts in what is being read.
    pub(super) at: usize,
}

impl<'a> Message<'a> {
    pub(super) fn is_whole(&self) -> bool {
        self.bytes.len() == self.header.length
    }

    /// Where it ends, or as much as there is of it.
    pub(super) fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    pub(super) fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER..]
    }
}

fn is_too_long(header: Header) -> bool {
    let holds_little = matches!(
        header.kind,
        kind::CLOSE
            | kind::COPY_DONE
            | kind::COPY_FAIL
            | kind::DESCRIBE
            | kind::EXECUTE
            | kind::FLUSH
            | kind::SYNC
            | kind::TERMINATE
    );
    holds_little && header.length > LONGEST_SMALL
}

impl<S: Stream> Session<S> {
    /// Deals with what the client sent. What has to wait goes to the inbox.
    pub(super) fn tell(&mut self, input: &[u8], output: &mut Vec<u8>, cx: &mut Context<'_>) {
        let was_quiet = self.lease.as_ref().is_none_or(|lease| lease.expected.is_empty());
        let mut relay = Relay::new(input, output);
        let end = self.messages(input, &mut relay);
        let bytes = relay.finish(end);
        self.inbox.extend_from_slice(&input[end..]);
        self.inbox_is_due |= !self.inbox.is_empty() && self.has_much_to_read();
        if let Some(lease) = &mut self.lease {
            if lease.body_left == 0 && lease.partial.is_empty() {
                lease.push_own_answers(self.to_client.bytes());
            }
            if was_quiet && !lease.expected.is_empty() {
                lease.activity().running();
            }
            if !bytes.is_empty() {
                Counters::add(&self.server.pool.counters().bytes_to_origin, bytes.len() as u64);
                if self.to_origin.send(&mut lease.socket, cx, bytes).is_err() {
                    self.lost("the connection to the origin was lost");
                }
            }
        }
        if let Some(failure) = self.failure.take() {
            self.fail_request(&failure);
        }
    }

    /// The client reads its answers before it gets more of them.
    fn has_much_to_read(&self) -> bool {
        self.to_client.len() >= WAITING
    }

    /// Returns how much of `input` is dealt with.
    fn messages(&mut self, input: &[u8], relay: &mut Relay<'_>) -> usize {
        let mut at = self.body_left.min(input.len());
        self.body_left -= at;
        if self.body_dropped {
            relay.leave_out(0, at);
        }
        while at < input.len() && self.course == Course::Open && !self.is_leaving {
            // One question may have a long answer from the cache, and there may be thousands of them in `input`.
            if self.has_much_to_read() {
                break;
            }
            if matches!(input[at], kind::PARSE | kind::BIND) && !self.skipping {
                match self.answer_batch(&input[at..]) {
                    Batched::Answered(length) => {
                        relay.leave_out(at, at + length);
                        at += length;
                        continue;
                    }
                    Batched::NotYet => break,
                    Batched::No => {}
                }
            }
            let header = match Header::read(&input[at..]) {
                Ok(Some(header)) if !is_too_long(header) => header,
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => {
                    self.fatal(&PgError::protocol("invalid message length"));
                    break;
                }
            };
            let end = (at + header.length).min(input.len());
            let message = Message { header, bytes: &input[at..end], at };
            let step = self.message(message, relay);
            match step {
                Step::NotYet => break,
                Step::Pass => {}
                Step::Drop => relay.leave_out(at, end),
            }
            self.body_dropped = matches!(step, Step::Drop);
            self.body_left = at + header.length - end;
            at = end;
        }
        at
    }

    fn message(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        match message.header.kind {
            kind::TERMINATE => {
                self.is_leaving = true;
                return Step::Drop;
            }
            kind::SYNC if !message.is_whole() => return Step::NotYet,
            kind::SYNC => return self.sync(),
            kind::QUERY if !self.skipping => return self.query(message, relay),
            kind::BIND
            | kind::CLOSE
            | kind::COPY_DATA
            | kind::COPY_DONE
            | kind::COPY_FAIL
            | kind::DESCRIBE
            | kind::EXECUTE
            | kind::FLUSH
            | kind::FUNCTION_CALL
            | kind::PARSE
            | kind::QUERY => {}
            other => {
                self.fatal(&PgError::protocol(format!("invalid frontend message type {other}")));
                return Step::Drop;
            }
        }
        // The origin would ignore it.
        if self.skipping || self.lease.as_ref().is_some_and(|lease| lease.skipping) {
            return Step::Drop;
        }
        match message.header.kind {
            kind::PARSE => self.parse(message, relay),
            kind::BIND => self.bind(message, relay),
            kind::DESCRIBE => self.describe(message, relay),
            kind::CLOSE => self.close(message, relay),
            kind::EXECUTE => self.execute(),
            kind::FUNCTION_CALL => self.plain(Expect::Function),
            _ => self.unanswered(message.header.kind),
        }
    }

    /// A message that goes on unread.
    pub(super) fn plain(&mut self, expect: Expect) -> Step {
        if !self.acquire() {
            return Step::NotYet;
        }
        self.backend().expect(expect);
        Step::Pass
    }

    fn execute(&mut self) -> Step {
        let step = self.plain(Expect::Execute);
        if matches!(step, Step::Pass) {
            self.note_uncached();
        }
        step
    }

    /// Counts a request that goes to the origin although the cache was not asked, or had to pass.
    fn note_uncached(&self) {
        if let (Some(caching), None) = (&self.server.caching, &self.recorder)
            && !self.is_refresh
        {
            caching.passed_by();
        }
    }

    pub(super) fn backend(&mut self) -> &mut Backend {
        self.lease.as_mut().expect("acquire() said that there is one")
    }

    /// Flush and the messages of COPY.
    fn unanswered(&mut self, message: u8) -> Step {
        // Without a transaction there is nothing to flush and no COPY.
        let Some(lease) = &mut self.lease else { return Step::Drop };
        if matches!(message, kind::COPY_DONE | kind::COPY_FAIL) && !std::mem::take(&mut lease.copying_in) {
            lease.expect(Expect::CopyEnd);
        }
        Step::Pass
    }

    fn sync(&mut self) -> Step {
        self.skipping = false;
        match &mut self.lease {
            None => {
                push_ready(self.to_client.bytes(), b'I');
                Step::Drop
            }
            Some(lease) => {
                // While it takes rows the origin ignores it.
                if !lease.copying_in {
                    lease.expect(Expect::Sync);
                }
                Step::Pass
            }
        }
    }

    pub(super) fn inspect(&self, sql: &[u8]) -> Inspection {
        inspect(sql, self.params.get(b"standard_conforming_strings") == Some(b"off"))
    }

    /// Remembers what a statement makes the default of the client's transactions. Only outside of one: in one it may
    /// come to nothing.
    pub(super) fn note_characteristics(&mut self, effects: Effects, sql: &[u8]) {
        if effects.contains(Effects::SETTINGS)
            && self.lease.as_ref().is_some_and(|lease| lease.is_at_rest())
            && let Some(after) = self.characteristics.after(sql)
        {
            self.characteristics = after;
        }
    }

    fn query(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        if self.lease.as_ref().is_some_and(|lease| lease.skipping) {
            return Step::Drop;
        }
        let mut found = Inspection::default();
        if self.mode == Mode::Transaction {
            if message.is_whole() {
                found = self.inspect(message.body());
            } else if message.header.length <= INSPECTED {
                return Step::NotYet;
            } else {
                found.effects = Effects::SESSION;
            }
        }
        if let Some(what) = found.refused {
            return self.refuse_query(message, relay, PgError::needs_session(what));
        }
        if message.is_whole() && self.answer_query(message) {
            return Step::Drop;
        }
        if !self.acquire() {
            return Step::NotYet;
        }
        self.note_uncached();
        self.note_characteristics(found.effects, message.body());
        self.names.forget_unnamed();
        self.names.unnamed_is_here = false;
        let backend = self.backend();
        backend.dirty |= found.effects;
        backend.expect(Expect::Query);
        Step::Pass
    }

    fn refuse_query(&mut self, message: Message<'_>, relay: &mut Relay<'_>, error: PgError) -> Step {
        let Some(lease) = &mut self.lease else {
            error.push(self.to_client.bytes());
            push_ready(self.to_client.bytes(), b'I');
            return Step::Drop;
        };
        // Its place in the order of answers, and what it does to a transaction, are an error's.
        relay.leave_out(message.at, message.end());
        push_query(relay.make(message.end()), b"!");
        lease.expect(Expect::RefusedQuery(Box::new(error)));
        Step::Pass
    }

    /// The same for a part of an extended query.
    pub(super) fn refuse(&mut self, message: Message<'_>, relay: &mut Relay<'_>, error: PgError) -> Step {
        match &mut self.lease {
            None => {
                error.push(self.to_client.bytes());
                self.skipping = true;
            }
            Some(lease) => {
                relay.leave_out(message.at, message.end());
                relay.put_in(message.end(), BIND_TO_FAIL);
                lease.expect(Expect::Refused(Box::new(error)));
            }
        }
        Step::Drop
    }

    pub(super) fn malformed(&mut self, message: Message<'_>) -> Step {
        let kind = char::from(message.header.kind);
        self.fatal(&PgError::protocol(format!("invalid message format: {kind}")));
        Step::Drop
    }
}
