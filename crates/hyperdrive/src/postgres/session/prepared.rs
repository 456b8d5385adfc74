//! Statements that a client prepares: kept under the client's names, prepared on whichever connection needs them.

use std::sync::Arc;

use super::super::backend::{Backend, Expect};
use super::super::config::Mode;
use super::super::error::PgError;
use super::super::message::{CLOSE_COMPLETE, HEADER, from_client as kind, push, text};
use super::super::names::Unnamed;
use super::super::relay::Relay;
use super::super::sql::Effects;
use super::super::statements::Statement;
use super::Session;
use super::tell::{INSPECTED, Message, Step};
use crate::Stream;

/// A named statement has to be kept to be prepared again.
const LONGEST_NAMED: usize = 16 * 1024 * 1024;
/// Messages that hold a name and little else.
const LONGEST_SMALL: usize = 64 * 1024;

impl<S: Stream> Session<S> {
    pub(super) fn parse(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
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
        self.note_characteristics(found.effects, sql);
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

    pub(super) fn bind(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
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
        if let Some((sql, _)) = text(&statement.body) {
            self.note_characteristics(statement.effects, sql);
        }
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

    pub(super) fn describe(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
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

    pub(super) fn close(&mut self, message: Message<'_>, relay: &mut Relay<'_>) -> Step {
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
