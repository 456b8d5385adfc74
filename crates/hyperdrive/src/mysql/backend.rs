//! One connection to the origin, and everything that is known about it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::{Answer, Outcome, Piece, Shape};
use super::connect::ConnectError;
use super::packet::{Framed, HEADER, answer_number, framed, payload, push};
use super::settings::Settings;
use super::statements::Prepared;
use super::wire::{Fields, command, status};
use crate::net::Socket;

/// What is read at once.
const CHUNK: usize = 16 * 1024;
/// Packets of a login and rows of our own queries are not longer.
const LONGEST_OWN: usize = 16 << 20;
/// The rows of a query of ours may have so many bytes, over all, and so many columns.
const LONGEST_ANSWER: usize = 64 << 20;
const COLUMNS: u64 = 100;

/// A connection to the origin.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about one connection")]
pub struct Backend {
    pub(super) socket: Socket,
    /// What came and was not looked at yet.
    pub(super) buffer: BytesMut,
    /// The number that KILL takes.
    pub(super) number: u32,
    pub(super) version: Arc<str>,
    /// The database that its session starts in.
    pub(super) database: Arc<[u8]>,
    /// It tells when a statement changed its session.
    pub(super) tracks_state: bool,
    /// What clients have set on it.
    pub(super) settings: Arc<Settings>,
    pub(super) prepared: Prepared,
    /// Of its last answer.
    pub(super) status: u16,
    /// Something has to be undone before the next client.
    pub(super) dirty: bool,
    /// Its last answer was an error, which does not tell whether a transaction is open.
    pub(super) unsure: bool,
    /// A command's answer is not all there.
    pub(super) busy: bool,
}

impl Backend {
    pub(super) fn new(socket: Socket, number: u32, version: &str) -> Self {
        Self {
            socket,
            buffer: BytesMut::new(),
            number,
            version: version.into(),
            database: Arc::from([]),
            tracks_state: false,
            settings: Settings::none(),
            prepared: Prepared::default(),
            status: status::AUTOCOMMIT,
            dirty: false,
            unsure: false,
            busy: false,
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.status & (status::IN_TRANSACTION | status::IN_READ_ONLY_TRANSACTION) != 0
    }

    /// Reads what there is. Zero is the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(CHUNK);
        pin!(self.socket.read_buf(&mut self.buffer)).poll(cx)
    }

    pub(super) async fn fill(&mut self) -> Result<(), ConnectError> {
        match std::future::poll_fn(|cx| self.poll_fill(cx)).await {
            Ok(0) => Err(ConnectError::Lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(ConnectError::Lost(error)),
        }
    }

    /// A packet of a conversation where speed does not matter, with its number.
    pub(super) async fn packet(&mut self) -> Result<(Vec<u8>, u8), ConnectError> {
        loop {
            match framed(&self.buffer, LONGEST_OWN) {
                Framed::Whole { length, sequence } => {
                    let packets = self.buffer.split_to(length);
                    return Ok((payload(&packets).into_owned(), sequence));
                }
                Framed::Incomplete => self.fill().await?,
                Framed::TooLong | Framed::Disordered => {
                    return Err(ConnectError::Protocol("packets out of order"));
                }
            }
        }
    }

    pub(super) async fn send_packet(&mut self, sequence: u8, payload: &[u8]) -> Result<(), ConnectError> {
        let mut out = Vec::with_capacity(payload.len() + 4);
        push(&mut out, sequence, payload);
        self.send(&out).await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectError> {
        self.socket.write_all(bytes).await.map_err(ConnectError::Lost)?;
        self.socket.flush().await.map_err(ConnectError::Lost)
    }

    /// A command whose answer no client sees.
    pub(super) async fn ask(&mut self, payload: &[u8], shape: Shape) -> Result<Outcome, ConnectError> {
        let mut packets = Vec::with_capacity(payload.len() + 4);
        push(&mut packets, 0, payload);
        self.send(&packets).await?;
        let mut answer = Answer::new(shape).starting_at(answer_number(&packets));
        while !answer.is_done() {
            match answer.next(&self.buffer).map_err(|surprise| ConnectError::Protocol(surprise.0))? {
                Some(Piece::Pass(count) | Piece::Replace(count, _)) => {
                    let _ = self.buffer.split_to(count);
                }
                None => self.fill().await?,
            }
        }
        self.status = answer.outcome.status.unwrap_or(self.status);
        Ok(answer.outcome)
    }

    /// A statement of ours that must succeed.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<(), ConnectError> {
        let payload = [&[command::QUERY], sql.as_bytes()].concat();
        match self.ask(&payload, Shape::Results).await?.error {
            Some(error) => Err(ConnectError::Origin(error)),
            None => Ok(()),
        }
    }

    /// A query of ours: all rows, as texts.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, ConnectError> {
        self.send_packet(0, &[&[command::QUERY], sql.as_bytes()].concat()).await?;
        let (first, _) = self.packet().await?;
        if let Some(error) = super::MySqlError::parse(&first) {
            return Err(ConnectError::Origin(error));
        }
        let columns = Fields(&first).number().filter(|columns| *columns <= COLUMNS);
        let columns = columns.ok_or(ConnectError::Protocol("no columns"))?;
        for _ in 0..=columns {
            self.packet().await?;
        }
        let mut rows = Vec::new();
        let mut left = LONGEST_ANSWER;
        loop {
            let (row, _) = self.packet().await?;
            left = left
                .checked_sub(HEADER + row.len())
                .ok_or(ConnectError::Protocol("more than 64 MB in answer to a query of ours"))?;
            if row.first() == Some(&0xfe) && row.len() < 9 {
                return Ok(rows);
            }
            if let Some(error) = super::MySqlError::parse(&row) {
                return Err(ConnectError::Origin(error));
            }
            let mut fields = Fields(&row);
            rows.push((0..columns).map(|_| column(&mut fields)).collect());
        }
    }

    /// Remembers a statement that was prepared here. The one that has to go for it is closed.
    pub(super) async fn keep_prepared(&mut self, sql: &Arc<[u8]>, number: u32, parameters: u16, most: usize) {
        if let Some(old) = self.prepared.add(Arc::clone(sql), number, parameters, most) {
            // Nothing is answered to that.
            let close = [&[command::STMT_CLOSE], old.to_le_bytes().as_slice()].concat();
            if self.send_packet(0, &close).await.is_err() {
                self.dirty = true;
            }
        }
    }

    /// Makes it as good as new.
    pub(super) async fn reset(&mut self) -> Result<(), ConnectError> {
        let outcome = self.ask(&[command::RESET_CONNECTION], Shape::Simple).await?;
        if let Some(error) = outcome.error {
            return Err(ConnectError::Origin(error));
        }
        self.prepared.clear();
        self.settings = Settings::none();
        // The session's database is the one thing that stays.
        let outcome = self.ask(&[&[command::INIT_DB], &*self.database].concat(), Shape::Simple).await?;
        if let Some(error) = outcome.error {
            return Err(ConnectError::Origin(error));
        }
        self.prepare_session().await?;
        self.dirty = false;
        Ok(())
    }

    /// What every session of ours starts with.
    pub(super) async fn prepare_session(&mut self) -> Result<(), ConnectError> {
        self.execute(super::settings::FIRST).await?;
        if self.tracks_state {
            // A server that does not know it says so, and nothing is lost but a hint.
            self.tracks_state = self.execute("SET SESSION session_track_state_change = 1").await.is_ok();
        }
        Ok(())
    }

    /// Whether a client with these settings finds them on it.
    pub(super) fn has_settings(&self, wanted: &Arc<Settings>) -> bool {
        Arc::ptr_eq(&self.settings, wanted) || *self.settings == **wanted
    }

    /// Gives it a client's settings.
    pub(super) async fn take_settings(&mut self, wanted: &Arc<Settings>) -> Result<(), ConnectError> {
        if self.has_settings(wanted) {
            return Ok(());
        }
        if wanted.after(&self.settings).is_none() {
            self.reset().await?;
        }
        for sql in wanted.after(&self.settings).into_iter().flatten() {
            // Until all of them are made nobody knows what it has.
            self.dirty = true;
            self.execute(sql).await?;
        }
        self.dirty = false;
        self.settings = Arc::clone(wanted);
        Ok(())
    }
}

fn column(fields: &mut Fields<'_>) -> Option<String> {
    if fields.0.first() == Some(&0xfb) {
        fields.u8();
        return None;
    }
    fields.text().map(|text| String::from_utf8_lossy(text).into_owned())
}
