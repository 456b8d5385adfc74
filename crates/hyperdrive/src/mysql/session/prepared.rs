//! Prepared statements. A client's number stands for a text; each connection has a number of its own for it.

use std::sync::Arc;

use bytes::Bytes;

use super::super::answer::{Answer, Shape};
use super::super::error::MySqlError;
use super::super::inspect::{Inspected, Kind, inspect};
use super::super::packet::{HEADER, answer_number, payload, push};
use super::super::statements::{Execution, Statement};
use super::super::wire::{command, status};
use super::cached::Found;
use super::link::in_time;
use super::{End, Session, Step};
use crate::Stream;
use crate::cache::{Dialect, Form, classify};

/// MariaDB's connectors say so when they do not wait for the answer to their prepare.
const LAST_PREPARED: u32 = u32::MAX;

fn unknown(number: u32, what: &str) -> MySqlError {
    let text = format!("Unknown prepared statement handler ({number}) given to {what}");
    MySqlError::new(1243, *b"HY000", text)
}

fn to_reprepare() -> MySqlError {
    MySqlError::new(1615, *b"HY000", "Prepared statement needs to be re-prepared")
}

impl<S: Stream> Session<S> {
    pub(super) async fn prepare(&mut self, packets: Bytes) -> Step {
        let sql: Arc<[u8]> = payload(&packets)[1..].into();
        let inspected = inspect(&sql);
        let refused = matches!(inspected.kind, Kind::Session(_) | Kind::Use(_) | Kind::Kill { .. });
        if refused && let Some(step) = self.answer_ourselves(&inspected).await {
            return step;
        }
        let config = self.server.config();
        if self.statements.len() >= config.max_statements_per_client {
            let text = "Can't create more prepared statements for one client; close those that are not used any more";
            return self.fail(&MySqlError::new(1461, *b"42000", text)).await;
        }
        if self.acquire().await?.is_none() {
            return Ok(());
        }
        let number = self.free_number();
        self.last_prepared = 0;
        let outcome = self.exchange(&packets, Answer::renumbered(number), &mut None).await?;
        let made = outcome.prepared;
        if let (Some((theirs, _, parameters)), Some(lease)) = (made, &mut self.lease) {
            let most = config.max_statements_per_connection;
            lease.keep_prepared(&sql, theirs, parameters, most).await;
        }
        self.finish(&outcome, None, &Inspected::default()).await;
        let Some((_, _, parameters)) = made else { return Ok(()) };
        let verdict = classify(&sql, Dialect::MySql);
        let statement =
            Statement { sql, parameters, types: Vec::new(), has_long_data: false, verdict, inspected };
        self.statements.insert(number, statement);
        self.last_prepared = number;
        Ok(())
    }

    /// Which of the client's statements a command is about. Nobody's has the number zero.
    fn number_in(&self, packets: &[u8]) -> u32 {
        let bytes = packets.get(HEADER + 1..HEADER + 5).and_then(|bytes| bytes.try_into().ok());
        match bytes.map_or(0, u32::from_le_bytes) {
            LAST_PREPARED => self.last_prepared,
            number => number,
        }
    }

    fn free_number(&mut self) -> u32 {
        while matches!(self.next_statement, 0 | LAST_PREPARED)
            || self.statements.contains_key(&self.next_statement)
        {
            self.next_statement = self.next_statement.wrapping_add(1);
        }
        let number = self.next_statement;
        self.next_statement = number.wrapping_add(1);
        number
    }

    pub(super) async fn execute(&mut self, packets: Bytes) -> Step {
        let number = self.number_in(&packets);
        let Some(statement) = self.statements.get_mut(&number) else {
            return self.fail(&unknown(number, "EXECUTE")).await;
        };
        let Some(mut execution) = Execution::new(&payload(&packets), statement) else {
            return self.fail(&MySqlError::malformed()).await;
        };
        let inspected = statement.inspected.clone();
        let plain = !execution.has_cursor && !std::mem::take(&mut statement.has_long_data);
        let sql = Arc::clone(&statement.sql);
        let verdict = plain.then(|| statement.verdict.clone());
        if let Some(step) = self.answer_ourselves(&inspected).await {
            return step;
        }
        let mut found = Found::Nothing;
        if let Some(verdict) = verdict
            && self.may_use_cache()
        {
            found = self.look_up(&verdict, Form::MySqlBinary, execution.values(), &packets);
        }
        let fill = match found {
            Found::Answer(answer) => return self.give(&answer).await,
            Found::Fill(fill) => Some(fill),
            Found::Nothing => None,
        };
        if self.acquire().await?.is_none() || !self.set_insert_id(&inspected).await? {
            return Ok(());
        }
        let Some(theirs) = self.number_here(number, &sql).await? else { return Ok(()) };
        execution.renumber(theirs);
        let mut out = Vec::new();
        push(&mut out, 0, &execution.payload);
        if answer_number(&out) != self.reply {
            // With its types it takes a packet more, and the answer would be numbered otherwise.
            return self
                .fail(&MySqlError::new(
                    1153,
                    *b"08S01",
                    "Got a packet bigger than 'max_allowed_packet' bytes",
                ))
                .await;
        }
        self.pinned.long_data = false;
        if execution.has_cursor {
            // Until the answer tells.
            self.pinned.cursor = Some(number);
        }
        let outcome = self.hand_over(&out, Answer::new(Shape::Results), fill, &inspected).await?;
        if execution.has_cursor && outcome.status.is_none_or(|flags| flags & status::CURSOR_EXISTS == 0) {
            self.pinned.cursor = None;
            self.settle().await;
        }
        Ok(())
    }

    /// The statement's number on the connection that is held, where it is prepared if it is not yet. `None`: the
    /// client was told that it cannot be.
    async fn number_here(&mut self, number: u32, sql: &Arc<[u8]>) -> Result<Option<u32>, End> {
        let wanted = self.statements.get(&number).map_or(0, |statement| statement.parameters);
        let most = self.server.config().max_statements_per_connection;
        let Some(lease) = &mut self.lease else { return Ok(None) };
        if let Some((theirs, parameters)) = lease.prepared.find(sql)
            && parameters == wanted
        {
            return Ok(Some(theirs));
        }
        let preparing = [&[command::STMT_PREPARE], &**sql].concat();
        let asking = lease.ask(&preparing, Shape::Prepared);
        let error = match in_time(&self.pool, &mut self.client, asking).await {
            Ok(outcome) => match (outcome.prepared, outcome.error) {
                (Some((theirs, _, parameters)), _) => {
                    lease.keep_prepared(sql, theirs, parameters, most).await;
                    if parameters == wanted {
                        return Ok(Some(theirs));
                    }
                    to_reprepare()
                }
                (None, Some(error)) => error,
                (None, None) => to_reprepare(),
            },
            Err(error) => {
                let in_transaction = lease.in_transaction();
                let told = self.told(&error);
                self.abandon().await;
                if in_transaction {
                    return Err(End::Told(self.reply, told));
                }
                self.fail(&told).await?;
                return Ok(None);
            }
        };
        self.fail(&error).await?;
        self.settle().await;
        Ok(None)
    }

    /// Values sent ahead of an execution. Nothing is answered. What goes wrong ends the session: an error would be
    /// taken for the next command's, and the statement must not be executed without the values.
    pub(super) async fn send_long_data(&mut self, packets: &Bytes) -> Step {
        let number = self.number_in(packets);
        let Some(statement) = self.statements.get_mut(&number) else { return Ok(()) };
        statement.has_long_data = true;
        let sql = Arc::clone(&statement.sql);
        if self.acquire().await?.is_none() {
            return Ok(());
        }
        self.pinned.long_data = true;
        let Some(theirs) = self.number_here(number, &sql).await? else { return Ok(()) };
        let Some(lease) = &mut self.lease else { return Ok(()) };
        let mut whole = payload(packets).into_owned();
        whole[1..5].copy_from_slice(&theirs.to_le_bytes());
        if in_time(&self.pool, &mut self.client, lease.send_packet(0, &whole)).await.is_err() {
            return Err(End::Told(self.reply, MySqlError::lost()));
        }
        Ok(())
    }

    pub(super) async fn close_statement(&mut self, packets: &Bytes) -> Step {
        let number = self.number_in(packets);
        let Some(statement) = self.statements.remove(&number) else { return Ok(()) };
        self.forget_parts(number, &statement.sql).await;
        self.settle().await;
        Ok(())
    }

    /// Undoes what was sent ahead, and closes a cursor. True if the connection that is held knew of it.
    async fn forget_parts(&mut self, number: u32, sql: &[u8]) -> bool {
        if self.pinned.cursor == Some(number) {
            self.pinned.cursor = None;
        } else if !self.pinned.long_data {
            return false;
        }
        self.pinned.long_data = false;
        let Some(lease) = &mut self.lease else { return false };
        let Some((theirs, _)) = lease.prepared.find(sql) else { return false };
        let mut reset = vec![command::STMT_RESET];
        reset.extend_from_slice(&theirs.to_le_bytes());
        if in_time(&self.pool, &mut self.client, lease.ask(&reset, Shape::Simple)).await.is_err() {
            self.abandon().await;
        }
        true
    }

    pub(super) async fn reset_statement(&mut self, packets: &Bytes) -> Step {
        let number = self.number_in(packets);
        let Some(statement) = self.statements.get_mut(&number) else {
            return self.fail(&unknown(number, "RESET")).await;
        };
        statement.has_long_data = false;
        let sql = Arc::clone(&statement.sql);
        self.forget_parts(number, &sql).await;
        self.settle().await;
        self.say_ok().await
    }

    /// More rows of a cursor.
    pub(super) async fn fetch(&mut self, packets: &Bytes) -> Step {
        let number = self.number_in(packets);
        let sql = self.statements.get(&number).map(|statement| Arc::clone(&statement.sql));
        let here = match (&mut self.lease, sql) {
            (Some(lease), Some(sql)) if self.pinned.cursor == Some(number) => lease.prepared.find(&sql),
            _ => None,
        };
        let Some((theirs, _)) = here else {
            return self.fail(&unknown(number, "FETCH")).await;
        };
        let mut whole = payload(packets).into_owned();
        whole[1..5].copy_from_slice(&theirs.to_le_bytes());
        let mut out = Vec::new();
        push(&mut out, 0, &whole);
        let outcome = self.hand_over(&out, Answer::new(Shape::Rows), None, &Inspected::default()).await?;
        if outcome.status.is_none_or(|flags| flags & status::LAST_ROW_SENT != 0) {
            self.pinned.cursor = None;
            self.settle().await;
        }
        Ok(())
    }
}
