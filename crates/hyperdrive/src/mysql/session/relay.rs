//! A command on its way to the origin, and its answer on the way back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite as _;

use super::super::answer::{Answer, Outcome, Piece};
use super::super::error::MySqlError;
use super::super::inspect::{Inspected, Kind};
use super::super::wire::status;
use super::{End, Session};
use crate::Stream;
use crate::cache::Fill;
use crate::pool::{Counters, Verdict};

/// What happened while the origin worked.
enum Event {
    /// The origin said something.
    More,
    /// The origin has gone.
    Lost,
    /// The client has gone, or does not take its answer.
    Gone,
    Timeout,
    End,
}

impl<S: Stream> Session<S> {
    /// Sends a command over the connection that is held, and its answer to the client. Gives what the answer said;
    /// afterwards the connection may be gone.
    pub(super) async fn hand_over(
        &mut self,
        packets: &[u8],
        answer: Answer,
        mut fill: Option<Fill>,
        inspected: &Inspected,
    ) -> Result<Outcome, End> {
        let outcome = self.exchange(packets, answer, &mut fill).await?;
        self.finish(&outcome, fill, inspected).await;
        Ok(outcome)
    }

    /// The same, without the conclusions.
    pub(super) async fn exchange(
        &mut self,
        packets: &[u8],
        answer: Answer,
        fill: &mut Option<Fill>,
    ) -> Result<Outcome, End> {
        let mut answer = answer.starting_at(self.reply);
        let Some(lease) = &mut self.lease else { return Err(End::Gone) };
        let was_in_transaction = lease.in_transaction();
        lease.activity().running();
        lease.busy = true;
        Counters::add(&self.pool.counters().bytes_to_origin, packets.len() as u64);
        if !self.send(packets).await {
            return self.lost(&answer, was_in_transaction).await;
        }
        let mut timed_out = false;
        while !answer.is_done() {
            let Some(lease) = &mut self.lease else { return Err(End::Gone) };
            let piece = match answer.next(&lease.buffer) {
                Ok(piece) => piece,
                Err(surprise) => {
                    tracing::warn!("the origin does not keep to the protocol: {}", surprise.0);
                    Counters::one(&self.pool.counters().protocol_mismatches);
                    return self.lost(&answer, true).await;
                }
            };
            let bytes: Bytes = match piece {
                Some(Piece::Pass(count)) => lease.buffer.split_to(count).freeze(),
                Some(Piece::Replace(count, replacement)) => {
                    let _ = lease.buffer.split_to(count);
                    replacement.into()
                }
                None => match self.wait().await {
                    Event::More => continue,
                    Event::Lost => return self.lost(&answer, was_in_transaction).await,
                    Event::Gone => return self.gone().await,
                    Event::End => {
                        self.abandon().await;
                        return Err(End::Told(answer.next_sequence(), MySqlError::shutting_down()));
                    }
                    Event::Timeout => {
                        self.time_out(&mut timed_out, &answer).await?;
                        continue;
                    }
                },
            };
            if let Some(fill) = fill {
                fill.push(&bytes);
            }
            Counters::add(&self.pool.counters().bytes_to_clients, bytes.len() as u64);
            if !self.write(&bytes).await {
                return self.gone().await;
            }
        }
        if !self.flush().await {
            return self.gone().await;
        }
        Ok(answer.outcome)
    }

    /// Takes in what the answer said.
    pub(super) async fn finish(&mut self, outcome: &Outcome, fill: Option<Fill>, inspected: &Inspected) {
        let Some(lease) = &mut self.lease else { return };
        lease.busy = false;
        if !lease.buffer.is_empty() {
            // It said more than was asked for.
            Counters::one(&self.pool.counters().protocol_mismatches);
            return self.abandon().await;
        }
        lease.unsure |= outcome.error.is_some() && !lease.in_transaction();
        let leaves_something = matches!(inspected.kind, Kind::SessionOutsideTransaction(_));
        lease.dirty |= inspected.user_variables || inspected.named_locks || leaves_something;
        if let Some(flags) = outcome.status {
            lease.status = flags;
            self.autocommit = flags & status::AUTOCOMMIT != 0;
            lease.dirty |= flags & status::STATE_CHANGED != 0 && !matches!(inspected.kind, Kind::Set(_));
        }
        if outcome.insert_id != 0 {
            self.insert_id = outcome.insert_id;
        }
        self.pinned.next_transaction &= outcome.error.is_some();
        if outcome.error.is_none() {
            match &inspected.kind {
                Kind::NextTransaction => self.pinned.next_transaction = true,
                Kind::Set(later) => {
                    let settings =
                        self.settings.with(later).map_or_else(|| Arc::clone(&self.settings), Arc::new);
                    lease.settings = Arc::clone(&settings);
                    self.set_settings(settings);
                }
                _ => {}
            }
            if let Some(fill) = fill.filter(|_| may_be_kept(outcome)) {
                fill.finish();
            }
        }
        self.settle().await;
    }

    /// True when the origin has all of it. One that does not read for as long as a statement may take is lost.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        let mut sent = 0;
        poll_fn(|cx| {
            let Some(lease) = &mut self.lease else { return Poll::Ready(false) };
            let mut socket = Pin::new(&mut lease.socket);
            let flushed = loop {
                if sent == bytes.len() {
                    break socket.as_mut().poll_flush(cx);
                }
                match socket.as_mut().poll_write(cx, &bytes[sent..]) {
                    Poll::Ready(Ok(count)) if count > 0 => sent += count,
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => break Poll::Pending,
                }
            };
            match flushed {
                Poll::Ready(result) => Poll::Ready(result.is_ok()),
                Poll::Pending => self.poll_interruption(cx).map_or(Poll::Pending, |_| Poll::Ready(false)),
            }
        })
        .await
    }

    /// Waits until the origin says something, or there is no use in waiting.
    async fn wait(&mut self) -> Event {
        poll_fn(|cx| {
            let Some(lease) = &mut self.lease else { return Poll::Ready(Event::Gone) };
            let before = lease.buffer.len();
            if let Poll::Ready(result) = lease.poll_fill(cx) {
                let more = (lease.buffer.len() - before) as u64;
                Counters::add(&self.pool.counters().bytes_from_origin, more);
                return Poll::Ready(if matches!(result, Ok(count) if count > 0) {
                    Event::More
                } else {
                    Event::Lost
                });
            }
            if let Some(event) = self.poll_interruption(cx) {
                return Poll::Ready(event);
            }
            // A client that goes while it waits does not want its answer.
            self.client.poll_gone(cx).map(|()| Event::Gone)
        })
        .await
    }

    fn poll_interruption(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if self.handle.poll_end(cx) {
            return Some(Event::End);
        }
        let verdict = self.lease.as_ref()?.activity().poll_verdict(cx)?;
        (verdict == Verdict::StatementTimeout).then_some(Event::Timeout)
    }

    /// True when the client has all of it. A client that does not read for as long as a statement may take, or a
    /// transaction may be silent, is gone.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let mut written = 0;
        poll_fn(|cx| {
            while written < bytes.len() {
                match self.client.poll_write(cx, &bytes[written..]) {
                    Poll::Ready(Ok(count)) if count > 0 => written += count,
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending if self.poll_impatience(cx) => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(true)
        })
        .await
    }

    pub(super) async fn flush(&mut self) -> bool {
        poll_fn(|cx| match self.client.poll_flush(cx) {
            Poll::Ready(result) => Poll::Ready(result.is_ok()),
            Poll::Pending if self.poll_impatience(cx) => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Whether a client that does not read is not waited for any longer.
    fn poll_impatience(&mut self, cx: &mut Context<'_>) -> bool {
        let limited = self.lease.as_ref().and_then(|lease| lease.activity().poll_verdict(cx));
        self.handle.poll_end(cx) || limited.is_some()
    }

    async fn gone(&mut self) -> Result<Outcome, End> {
        self.abandon().await;
        Err(End::Gone)
    }

    /// The statement has had its time: it is killed, and the origin says so in its answer. If it does not even do
    /// that, the connection is closed.
    async fn time_out(&mut self, before: &mut bool, answer: &Answer) -> Result<(), End> {
        if std::mem::replace(before, true) {
            self.abandon().await;
            if answer.is_between_packets() {
                return Err(End::Told(answer.next_sequence(), MySqlError::timed_out()));
            }
            return Err(End::Gone);
        }
        Counters::one(&self.pool.counters().statement_timeouts);
        let (server, number) = (Arc::clone(&self.server), self.handle.number);
        tokio::spawn(async move { server.kill(number, false).await });
        Ok(())
    }

    /// The connection to the origin has broken. `fatal`: the client cannot go on either, because it would take the
    /// next answer for this one, or believe a transaction to be open that is not.
    async fn lost(&mut self, answer: &Answer, fatal: bool) -> Result<Outcome, End> {
        self.abandon().await;
        self.pinned = super::Pinned::default();
        if !answer.is_between_packets() {
            return Err(End::Gone);
        }
        let error = MySqlError::lost();
        if fatal || !self.autocommit {
            return Err(End::Told(answer.next_sequence(), error));
        }
        self.client.send(answer.next_sequence(), &error.payload()).await.map_err(|_| End::Gone)?;
        Ok(Outcome { error: Some(error), ..Outcome::default() })
    }
}

/// Warnings belong to who made them, and can be asked for only there.
pub(super) fn may_be_kept(outcome: &Outcome) -> bool {
    let flags = status::IN_TRANSACTION | status::IN_READ_ONLY_TRANSACTION | status::STATE_CHANGED;
    let calm = outcome.status.is_some_and(|status| status & flags == 0 && status & status::AUTOCOMMIT != 0);
    calm && !outcome.several && outcome.warnings == 0 && outcome.error.is_none()
}
