//! What an origin says: every message is held against what is due, and goes on to the client as it lies.

use super::backend::{Backend, Expect};
use super::error::{OriginMessage, PgError, field};
use super::message::{CLOSE_COMPLETE, HEADER, Header, PARSE_COMPLETE, from_origin as kind, text};
use super::names::{Names, Unnamed};
use super::relay::Relay;

/// Messages that have to be looked at, and cannot be long.
const LONGEST_SHORT: usize = 64 * 1024;

/// The origin said what nobody expected. Nothing it says from here on can be trusted to be whose it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Surprise(pub(super) &'static str);

/// What becomes of a message.
enum Fate {
    Pass,
    Hide,
    Replace(Box<PgError>),
}

/// What was heard besides what is passed on.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// `ReadyForQuery` messages.
    pub(super) ready: u32,
    /// Those of them outside a transaction.
    pub(super) idle: u32,
    /// A query of ours is done.
    pub(super) internal_done: bool,
    /// Where in what goes to the client the first `ReadyForQuery` begins.
    pub(super) first_ready: Option<usize>,
    /// Something came that is no part of an ordinary answer: an error, a notice, a changed setting, a COPY.
    pub(super) unusual: bool,
}

impl Heard {
    fn note(&mut self, message: u8, fate: &Fate, position: impl Fn() -> usize) {
        match message {
            _ if matches!(fate, Fate::Hide) => {}
            kind::READY => {
                self.first_ready.get_or_insert_with(position);
            }
            kind::ERROR
            | kind::NOTICE
            | kind::NOTIFICATION
            | kind::PARAMETER_STATUS
            | kind::COPY_IN
            | kind::COPY_OUT
            | kind::FUNCTION_RESULT => self.unusual |= self.first_ready.is_none(),
            _ => {}
        }
    }
}

/// Whether a message must be there as a whole before anything is decided about it.
fn is_short(header: Header) -> Result<bool, Surprise> {
    match header.kind {
        kind::READY
        | kind::COMMAND_COMPLETE
        | kind::PARAMETER_STATUS
        | kind::NOTIFICATION
        | kind::PARSE_COMPLETE
        | kind::BIND_COMPLETE
        | kind::CLOSE_COMPLETE
        | kind::NO_DATA
        | kind::PORTAL_SUSPENDED
        | kind::EMPTY_QUERY => {
            if header.length > LONGEST_SHORT {
                return Err(Surprise("a message that is too long for its kind"));
            }
            Ok(true)
        }
        // A long one goes on unread.
        kind::ERROR => Ok(header.length <= LONGEST_SHORT),
        _ => Ok(false),
    }
}

impl Backend {
    /// Takes the next bytes from the origin. Returns those for the client, which are `input` itself if nothing in it
    /// had to be changed.
    pub(super) fn hear<'a>(
        &mut self,
        input: &'a [u8],
        out: &'a mut Vec<u8>,
        names: &mut Names,
        heard: &mut Heard,
    ) -> Result<&'a [u8], Surprise> {
        let mut relay = Relay::new(input, out);
        let mut at = self.go_on(input, &mut relay);
        if !self.partial.is_empty() {
            let Some(after) = self.complete(input, &mut relay, names, heard)? else { return Ok(&[]) };
            at = after;
        }
        while at < input.len() {
            let header = Header::read(&input[at..]).map_err(|_| Surprise("a length that cannot be"))?;
            let Some(header) = header else { break };
            let (start, end) = (at, at + header.length);
            if is_short(header)? {
                if end > input.len() {
                    break;
                }
                let body = &input[start + HEADER..end];
                let fate = self.message(header.kind, Some(body), names, heard)?;
                heard.note(header.kind, &fate, || relay.position(start));
                Self::settle(fate, &mut relay, start, end);
                at = end;
            } else {
                let fate = self.message(header.kind, None, names, heard)?;
                heard.note(header.kind, &fate, || relay.position(start));
                self.body_hidden = !matches!(fate, Fate::Pass);
                at = end.min(input.len());
                self.body_left = end - at;
                Self::settle(fate, &mut relay, start, at);
            }
            if self.body_left == 0 {
                self.answer_ourselves(at, &mut relay);
            }
        }
        self.partial.extend_from_slice(&input[at..]);
        Ok(relay.finish(at))
    }

    /// The rest of a message that is passed on as it comes.
    fn go_on(&mut self, input: &[u8], relay: &mut Relay<'_>) -> usize {
        let at = self.body_left.min(input.len());
        if at == 0 {
            return 0;
        }
        if self.body_hidden {
            relay.leave_out(0, at);
        }
        self.body_left -= at;
        if self.body_left == 0 {
            self.answer_ourselves(at, relay);
        }
        at
    }

    /// Completes the message whose start came before, or as much of it as has to be there. Returns how far into
    /// `input` that is; `None` if all of it was not enough.
    fn complete(
        &mut self,
        input: &[u8],
        relay: &mut Relay<'_>,
        names: &mut Names,
        heard: &mut Heard,
    ) -> Result<Option<usize>, Surprise> {
        let mut partial = std::mem::take(&mut self.partial);
        let mut at = 0;
        loop {
            let header = Header::read(&partial).map_err(|_| Surprise("a length that cannot be"))?;
            let short = header.map(is_short).transpose()?.unwrap_or(false);
            let needed = header.filter(|_| short).map_or(HEADER, |header| header.length);
            if let Some(header) = header
                && partial.len() >= needed
            {
                let body = short.then(|| &partial[HEADER..]);
                let fate = self.message(header.kind, body, names, heard)?;
                relay.leave_out(0, at);
                heard.note(header.kind, &fate, || relay.position(at));
                self.body_left = if short { 0 } else { header.length - HEADER };
                self.body_hidden = !matches!(fate, Fate::Pass);
                match fate {
                    Fate::Pass => relay.put_in(at, &partial),
                    Fate::Hide => {}
                    Fate::Replace(error) => error.push(relay.make(at)),
                }
                if self.body_left == 0 {
                    self.answer_ourselves(at, relay);
                    return Ok(Some(at));
                }
                let more = self.body_left.min(input.len() - at);
                if self.body_hidden {
                    relay.leave_out(at, at + more);
                }
                self.body_left -= more;
                if self.body_left == 0 {
                    self.answer_ourselves(at + more, relay);
                }
                return Ok(Some(at + more));
            }
            let more = (needed - partial.len()).min(input.len() - at);
            if more == 0 {
                self.partial = partial;
                return Ok(None);
            }
            partial.extend_from_slice(&input[at..at + more]);
            at += more;
        }
    }

    fn settle(fate: Fate, relay: &mut Relay<'_>, start: usize, end: usize) {
        match fate {
            Fate::Pass => {}
            Fate::Hide => relay.leave_out(start, end),
            Fate::Replace(error) => {
                relay.leave_out(start, end);
                error.push(relay.make(end));
            }
        }
    }

    /// Answers of ours whose turn has come.
    fn answer_ourselves(&mut self, at: usize, relay: &mut Relay<'_>) {
        while let Some(Expect::FakeParse { .. } | Expect::FakeClose { .. }) = self.expected.front() {
            self.push_own_answers(relay.make(at));
        }
    }

    /// Appends the answers of ours that are due before anything of the origin's.
    pub(super) fn push_own_answers(&mut self, out: &mut Vec<u8>) {
        loop {
            match self.expected.front() {
                Some(Expect::FakeParse { .. }) => out.extend_from_slice(PARSE_COMPLETE),
                Some(Expect::FakeClose { .. }) => out.extend_from_slice(CLOSE_COMPLETE),
                _ => return,
            }
            self.expected.pop_front();
        }
    }

    /// Holds one message against what is due. `body` is there if the kind is a short one.
    fn message(
        &mut self,
        message: u8,
        body: Option<&[u8]>,
        names: &mut Names,
        heard: &mut Heard,
    ) -> Result<Fate, Surprise> {
        self.forget_copy_ends();
        let front = self.expected.front();
        let internal = matches!(front, Some(Expect::Internal));
        let passed = if internal { Fate::Hide } else { Fate::Pass };
        let in_query = matches!(front, Some(Expect::Query | Expect::Internal));
        let in_execute = matches!(front, Some(Expect::Execute));
        let due = match message {
            kind::DATA_ROW | kind::COPY_DATA | kind::COPY_DONE | kind::COPY_OUT => in_query || in_execute,
            kind::NOTICE => true,
            kind::NOTIFICATION if self.notifications => return Ok(Fate::Pass),
            kind::NOTIFICATION => return Ok(Fate::Hide),
            kind::PARAMETER_STATUS => {
                self.parameter(body.unwrap_or_default())?;
                true
            }
            kind::ROW_DESCRIPTION if in_query => true,
            kind::ROW_DESCRIPTION | kind::NO_DATA => self.pop(|front| matches!(front, Expect::Describe)),
            kind::PARAMETER_DESCRIPTION => matches!(front, Some(Expect::Describe)),
            kind::COMMAND_COMPLETE => {
                self.copying_in = false;
                self.completed(body.unwrap_or_default(), names);
                in_query || self.pop(|front| matches!(front, Expect::Execute))
            }
            kind::EMPTY_QUERY | kind::PORTAL_SUSPENDED => {
                in_query || self.pop(|front| matches!(front, Expect::Execute))
            }
            kind::COPY_IN => {
                self.copy_in_began();
                in_query || in_execute
            }
            kind::PARSE_COMPLETE => return self.parsed(),
            kind::BIND_COMPLETE => self.pop(|front| matches!(front, Expect::Bind(_))),
            kind::CLOSE_COMPLETE => return self.closed(),
            kind::FUNCTION_RESULT => matches!(front, Some(Expect::Function)),
            kind::ERROR => return Ok(self.failed(body, names)),
            kind::READY => {
                self.ready(body.unwrap_or_default(), heard)?;
                true
            }
            _ => false,
        };
        if due { Ok(passed) } else { Err(Surprise("an answer that was not due")) }
    }

    /// Ends of COPYs that never began.
    fn forget_copy_ends(&mut self) {
        while self.pop(|front| matches!(front, Expect::CopyEnd)) {}
    }

    /// Takes away what is due next, if it is what was answered.
    fn pop(&mut self, is_answered: impl Fn(&Expect) -> bool) -> bool {
        let answered = self.expected.front().is_some_and(is_answered);
        if answered {
            self.expected.pop_front();
        }
        answered
    }

    fn parameter(&mut self, body: &[u8]) -> Result<(), Surprise> {
        let malformed = Surprise("a ParameterStatus that has no name and value");
        let (name, rest) = text(body).ok_or(malformed)?;
        let (value, _) = text(rest).ok_or(malformed)?;
        self.params =
            self.table.with(&self.params, name, value).ok_or(Surprise("more settings than there are"))?;
        Ok(())
    }

    fn completed(&mut self, tag: &[u8], names: &mut Names) {
        if tag == b"DISCARD ALL\0" || tag == b"DEALLOCATE ALL\0" {
            self.prepared.clear();
            self.stale.clear();
            names.forget_all();
            names.unnamed_is_here = false;
        }
    }

    /// The Syncs that were sent before the origin asked for rows are read, and ignored, while it waits for them.
    fn copy_in_began(&mut self) {
        let mut ended = false;
        let mut position = 0;
        self.expected.retain(|expect| {
            position += 1;
            if position == 1 || ended {
                return true;
            }
            ended = matches!(expect, Expect::CopyEnd);
            !(ended || matches!(expect, Expect::Sync))
        });
        self.copying_in = !ended;
    }

    fn parsed(&mut self) -> Result<Fate, Surprise> {
        match self.expected.pop_front() {
            Some(Expect::ParseUnnamed { hidden } | Expect::Parse { hidden, .. }) => {
                Ok(if hidden { Fate::Hide } else { Fate::Pass })
            }
            _ => Err(Surprise("a ParseComplete that was not due")),
        }
    }

    fn closed(&mut self) -> Result<Fate, Surprise> {
        match self.expected.pop_front() {
            Some(Expect::Close { evicted }) => Ok(if evicted.is_some() { Fate::Hide } else { Fate::Pass }),
            _ => Err(Surprise("a CloseComplete that was not due")),
        }
    }

    fn ready(&mut self, body: &[u8], heard: &mut Heard) -> Result<(), Surprise> {
        match self.expected.pop_front() {
            Some(Expect::Query | Expect::RefusedQuery(_) | Expect::Sync | Expect::Function) => {
                heard.ready += 1;
            }
            Some(Expect::Internal) => heard.internal_done = true,
            _ => return Err(Surprise("a ReadyForQuery that was not due")),
        }
        let &[status @ (b'I' | b'T' | b'E')] = body else {
            return Err(Surprise("a ReadyForQuery without a known status"));
        };
        self.forget_copy_ends();
        self.status = status;
        heard.idle += u32::from(status == b'I');
        self.in_batch = !self.expected.is_empty();
        self.copying_in = false;
        self.timed_out = false;
        Ok(())
    }

    fn failed(&mut self, body: Option<&[u8]>, names: &mut Names) -> Fate {
        self.copying_in = false;
        let body = body.unwrap_or_default();
        let severity = field(body, b'V').or_else(|| field(body, b'S')).unwrap_or_default();
        if matches!(severity, b"FATAL" | b"PANIC") {
            self.doomed = true;
        }
        let code = field(body, b'C').unwrap_or_default();
        if self.timed_out && code == b"57014" {
            self.skip_batch(names, None);
            return Fate::Replace(Box::new(PgError::new(
                *b"57014",
                "canceling statement due to statement timeout",
            )));
        }
        // The result's columns have changed since it was planned; or the origin has forgotten the statement.
        let plan_is_useless = matches!(code, b"0A000" | b"26000");
        self.skip_batch(names, plan_is_useless.then_some(()))
            .map_or_else(|| self.pass_error(body), Fate::Replace)
    }

    fn pass_error(&mut self, body: &[u8]) -> Fate {
        if matches!(self.expected.front(), Some(Expect::Internal)) {
            self.internal_error = Some(OriginMessage::new(body));
            return Fate::Hide;
        }
        Fate::Pass
    }

    /// After an error the origin ignores everything up to the next Sync. Returns the refusal that the error stands
    /// for, if it was one we provoked.
    fn skip_batch(&mut self, names: &mut Names, plan_is_useless: Option<()>) -> Option<Box<PgError>> {
        let refusal = match self.expected.front_mut() {
            // Out of turn: the origin shuts down, or something like it.
            None | Some(Expect::Query | Expect::Internal | Expect::Function | Expect::Sync) => return None,
            Some(Expect::RefusedQuery(refusal)) => return Some(refusal.clone()),
            Some(Expect::Refused(refusal)) => Some(refusal.clone()),
            Some(Expect::Bind(Some(statement))) if plan_is_useless.is_some() => {
                statement.make_stale();
                self.prepared.remove(statement.id);
                self.stale.push(statement.clone());
                None
            }
            Some(_) => None,
        };
        while let Some(expect) = self.expected.front() {
            if matches!(expect, Expect::Sync) {
                return refusal;
            }
            if let Some(undone) = self.expected.pop_front() {
                self.undo(undone, names);
            }
        }
        self.skipping = true;
        refusal
    }

    /// The origin never did this.
    fn undo(&mut self, expect: Expect, names: &mut Names) {
        match expect {
            Expect::ParseUnnamed { hidden } => {
                names.unnamed_is_here = false;
                if !hidden {
                    names.unnamed = Unnamed::None;
                }
            }
            Expect::Parse { statement, name, hidden: _ } => {
                self.prepared.remove(statement.id);
                if let Some(name) = name {
                    names.undo(&name, &statement);
                }
            }
            Expect::FakeParse { statement, name } => names.undo(&name, &statement),
            Expect::FakeClose { closed: Some(closed) } => {
                let (name, statement) = *closed;
                names.insert(name, statement);
            }
            Expect::Close { evicted: Some(statement) } => self.prepared.restore(statement),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
