//! What a client says: every message is written down as due before it goes on, and names of prepared statements are
//! replaced by those of the connection.

use std::sync::Arc;
use std::task::Context;

use super::super::backend::{Backend, Expect};
use super::super::config::Mode;
use super::super::error::PgError;
use super::super::message::{
    CLOSE_COMPLETE, HEADER, Header, from_client as kind, push, push_query, push_ready, text,
};
use super::super::names::Unnamed;
use super::super::relay::Relay;
use super::super::sql::{Effects, Inspection, inspect};
use super::super::statements::Statement;
use super::{Course, Session};
use crate::Stream;
use crate::pool::Counters;

/// Texts up to this length are read for what they do to a session. What is longer passes through, and the session is
/// reset after it.
const INSPECTED: usize = 256 * 1024;
/// A named statement has to be kept to be prepared again.
const LONGEST_NAMED: usize = 16 * 1024 * 1024;
/// Messages that hold a name and little else.
const LONGEST_SMALL: usize = 64 * 1024;
/// `Bind` of a statement that nobody can have prepared.
const BIND_TO_FAIL: &[u8] = b"B\0\0\0\x15\0selvedge!\0\0\0\0\0\0\0";

/// What becomes of a message.
enum Step {
    /// It goes on, or what is left of it.
    Pass,
    Drop,
    /// It has to be looked at again, with more of it or with a connection.
    NotYet,
}

/// A message, or the start of one.
#[derive(Clone, Copy)]
struct Message<'a> {
    header: Header,
    /// As much as there is.
    bytes: &'a [u8],
    /// Where it starts in what is being read.
    at: usize,
}

impl<'a> Message<'a> {
    fn is_whole(&self) -> bool {
        self.bytes.len() == self.header.length
    }

    /// Where it ends, or as much as there is of it.
    fn end(&self) -> usize {
        self.at + self.bytes.len()
    }

    fn body(&self) -> &'a [u8] {
        &self.bytes[HEADER..]
    }
}

impl<S: Stream> Session<S> {
    /// Deals with what the client sent. What has to wait goes to the inbox.
    pub(super) fn tell(&mut self, input: &[u8], output: &mut Vec<u8>, cx: &mut Context<'_>) {
        let was_quiet = self.lease.as_ref().is_none_or(|lease| lease.expected.is_empty());
        let mut relay = Relay::new(input, output);
        let end = self.messages(input, &mut relay);
        let bytes = relay.finish(end);
        self.inbox.extend_from_slice(&input[end..]);
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

    /// Returns how much of `input` is dealt with.
    fn messages(&mut self, input: &[u8], relay: &mut Relay<'_>) -> usize {
        let mut at = self.body_left.min(input.len());
        self.body_left -= at;
        if self.body_dropped {
            relay.leave_out(0, at);
        }
        while at < input.len() && self.course == Course::Open && !self.is_leaving {
            let header = match Header::read(&input[at..]) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(_) => {
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
            kind::EXECUTE => self.plain(Expect::Execute),
            kind::FUNCTION_CALL => self.plain(Expect::Function),
            _ => self.unanswered(message.header.kind),
        }
    }

    /// A message that goes on unread.
    fn plain(&mut self, expect: Expect) -> Step {
        if !self.acquire() {
            return Step::NotYet;
        }
        self.backend().expect(expect);
        Step::Pass
    }

    fn backend(&mut self) -> &mut Backend {
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

    fn inspect(&self, sql: &[u8]) -> Inspection {
        inspect(sql, self.params.get(b"standard_conforming_strings") == Some(b"off"))
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
        if !self.acquire() {
            return Step::NotYet;
        }
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
    fn refuse(&mut self, message: Message<'_>, relay: &mut Relay<'_>, error: PgError) -> Step {
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

    fn malformed(&mut self, message: Message<'_>) -> Step {
        let kind = char::from(message.header.kind);
        self.fatal(&PgError::protocol(format!("invalid message format: {kind}")));
        Step::Drop
    }

    fn parse(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        if self.mode == Mode::Session {
            return self.plain(Expect::ParseUnnamed { hidden: false });
        }
        if !message.is_whole() {
            return self.parse_long(message, relay);
        }
        let Some((name, rest)) = text(message.body()) else { return self.malformed(message) };
        let Some((sql, _)) = text(rest) else { return self.malformed(message) };
        let found = self.inspect(sql);
        if let Some(what) = found.refused {
            return self.refuse(message, relay, PgError::needs_session(what));
        }
        if !self.acquire() {
            return Step::NotYet;
        }
        if name.is_empty() {
            if !matches!(&self.names.unnamed, Unnamed::Kept { body, .. } if **body == *rest) {
                self.names.unnamed = Unnamed::Kept { body: rest.into(), effects: found.effects };
            }
            self.names.unnamed_is_here = true;
            self.backend().expect(Expect::ParseUnnamed { hidden: false });
            return Step::Pass;
        }
        self.parse_named(message, relay, name, rest, found.effects)
    }

    fn parse_long(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        let Some(&first) = message.body().first() else { return Step::NotYet };
        if message.header.length <= INSPECTED {
            return Step::NotYet;
        }
        if first != 0 {
            if message.header.length <= LONGEST_NAMED {
                return Step::NotYet;
            }
            let error = PgError::new(*b"54000", "a prepared statement with a name may have 16 MB at most");
            return self.refuse(message, relay, error);
        }
        if !self.acquire() {
            return Step::NotYet;
        }
        self.names.unnamed = Unnamed::NotKept;
        self.names.unnamed_is_here = true;
        let backend = self.backend();
        backend.dirty |= Effects::SESSION;
        backend.expect(Expect::ParseUnnamed { hidden: false });
        Step::Pass
    }

    fn parse_named(
        &mut self,
        message: Message<'_>,
        relay: &mut Relay<'_>,
        name: &[u8],
        body: &[u8],
        effects: Effects,
    ) -> Step {
        let end = message.end();
        if let Some(known) = self.names.get(name).cloned() {
            relay.leave_out(message.at, end);
            self.prepare(&known, relay, end);
            known.push_parse(relay.make(end));
            self.backend().expect(Expect::ParseAgain);
            return Step::Pass;
        }
        let most = self.server.config().max_statements_per_client;
        if self.names.len() >= most {
            let error = PgError::new(*b"53400", format!("a client may have {most} prepared statements"));
            return self.refuse(message, relay, error);
        }
        let statement = self.server.statements.intern(body, effects);
        let name: Box<[u8]> = name.into();
        self.names.insert(name.clone(), statement.clone());
        relay.leave_out(message.at, end);
        let backend = self.lease.as_mut().expect("acquire() said that there is one");
        if backend.prepared.touch(statement.id) {
            backend.expect(Expect::FakeParse { statement, name });
        } else {
            let most = self.server.config().max_statements_per_connection;
            make_room(backend, &statement, most, relay, end);
            statement.push_parse(relay.make(end));
            backend.expect(Expect::Parse { statement, name: Some(name), hidden: false });
        }
        Step::Pass
    }

    /// Sees to it that the statement is prepared on the connection when what follows `at` gets there.
    fn prepare(&mut self, statement: &Arc<Statement>, relay: &mut Relay<'_>, at: usize) {
        let most = self.server.config().max_statements_per_connection;
        let backend = self.backend();
        if !backend.prepared.touch(statement.id) {
            make_room(backend, statement, most, relay, at);
            statement.push_parse(relay.make(at));
            backend.expect(Expect::Parse { statement: statement.clone(), name: None, hidden: true });
        }
    }

    /// The same for the statement without a name. The client's error, if it has none.
    fn prepare_unnamed(&mut self, relay: &mut Relay<'_>, at: usize) -> Result<(), PgError> {
        let Self { names, lease: Some(lease), .. } = self else { return Ok(()) };
        match &names.unnamed {
            Unnamed::Kept { body, effects } => {
                lease.dirty |= *effects;
                if !names.unnamed_is_here {
                    push(relay.make(at), kind::PARSE, |out| {
                        out.push(0);
                        out.extend_from_slice(body);
                    });
                    lease.expect(Expect::ParseUnnamed { hidden: true });
                    names.unnamed_is_here = true;
                }
                Ok(())
            }
            Unnamed::NotKept if names.unnamed_is_here => Ok(()),
            Unnamed::NotKept | Unnamed::None => {
                Err(PgError::new(*b"26000", "unnamed prepared statement does not exist"))
            }
        }
    }

    fn no_such_statement(name: &[u8]) -> PgError {
        let name = String::from_utf8_lossy(name);
        PgError::new(*b"26000", format!("prepared statement \"{name}\" does not exist"))
    }

    fn bind(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        if self.mode == Mode::Session {
            return self.plain(Expect::Bind(None));
        }
        let prefix = &message.body()[..message.body().len().min(LONGEST_SMALL)];
        let names = text(prefix).and_then(|(portal, rest)| Some((portal, text(rest)?)));
        let Some((portal, (name, rest))) = names else {
            if message.is_whole() || prefix.len() == LONGEST_SMALL {
                return self.malformed(message);
            }
            return Step::NotYet;
        };
        if !self.acquire() {
            return Step::NotYet;
        }
        if name.is_empty() {
            if let Err(error) = self.prepare_unnamed(relay, message.at) {
                return self.refuse(message, relay, error);
            }
            self.backend().expect(Expect::Bind(None));
            return Step::Pass;
        }
        let Some(statement) = self.names.get(name).cloned() else {
            return self.refuse(message, relay, Self::no_such_statement(name));
        };
        self.prepare(&statement, relay, message.at);
        let kept = message.at + HEADER + (prefix.len() - rest.len());
        relay.leave_out(message.at, kept);
        let length = message.header.length - 1 - name.len() + statement.name.len();
        let out = relay.make(kept);
        out.push(kind::BIND);
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        for text in [portal, &statement.name] {
            out.extend_from_slice(text);
            out.push(0);
        }
        let backend = self.backend();
        backend.dirty |= statement.effects;
        backend.expect(Expect::Bind(Some(statement)));
        Step::Pass
    }

    /// The kind (`S` for a statement, `P` for a portal) and the name of a Describe or a Close.
    fn target<'a>(&mut self, message: Message<'a>) -> Result<(u8, &'a [u8]), Step> {
        if message.header.length > LONGEST_SMALL {
            return Err(self.malformed(message));
        }
        if !message.is_whole() {
            return Err(Step::NotYet);
        }
        match message.body().split_first().and_then(|(target, rest)| Some((*target, text(rest)?.0))) {
            Some(target @ (b'S' | b'P', _)) => Ok(target),
            _ => Err(self.malformed(message)),
        }
    }

    fn describe(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        let (target, name) = match self.target(message) {
            Ok(target) => target,
            Err(step) => return step,
        };
        if !self.acquire() {
            return Step::NotYet;
        }
        if target == b'S' && self.mode == Mode::Transaction {
            if name.is_empty() {
                if let Err(error) = self.prepare_unnamed(relay, message.at) {
                    return self.refuse(message, relay, error);
                }
            } else {
                let Some(statement) = self.names.get(name).cloned() else {
                    return self.refuse(message, relay, Self::no_such_statement(name));
                };
                relay.leave_out(message.at, message.end());
                self.prepare(&statement, relay, message.end());
                push(relay.make(message.end()), kind::DESCRIBE, |out| {
                    out.push(b'S');
                    out.extend_from_slice(&statement.name);
                    out.push(0);
                });
            }
        }
        self.backend().expect(Expect::Describe);
        Step::Pass
    }

    fn close(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
        let (target, name) = match self.target(message) {
            Ok(target) => target,
            Err(step) => return step,
        };
        let mut closed = None;
        let ours = target == b'S' && self.mode == Mode::Transaction;
        if ours && name.is_empty() {
            self.names.forget_unnamed();
        } else if ours {
            closed = self.names.remove(name).map(|statement| Box::new((name.into(), statement)));
        }
        match &mut self.lease {
            // Neither portals nor statements of a client outlive its transaction on any connection.
            None if self.mode == Mode::Transaction => {
                self.to_client.bytes().extend_from_slice(CLOSE_COMPLETE);
                Step::Drop
            }
            // It stays on the connection for others.
            Some(lease) if ours && !name.is_empty() => {
                relay.leave_out(message.at, message.end());
                lease.expect(Expect::FakeClose { closed });
                Step::Pass
            }
            _ => self.plain(Expect::Close { evicted: None }),
        }
    }
}

/// Closes what has to go for `statement` to be prepared.
fn make_room(
    backend: &mut Backend,
    statement: &Arc<Statement>,
    most: usize,
    relay: &mut Relay<'_>,
    at: usize,
) {
    let evicted = backend.prepared.add(statement.clone(), most);
    for old in std::mem::take(&mut backend.stale).into_iter().chain(evicted) {
        old.push_close(relay.make(at));
        backend.expect(Expect::Close { evicted: Some(old) });
    }
}
