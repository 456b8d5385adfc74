//! The client's side of a connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt as _, ReadBuf};

use super::super::packet::{Framed, framed, payload, push};
use crate::Stream;

/// What is read at once. Large, because it is there once per thread and not once per client.
const CHUNK: usize = 64 * 1024;
/// More than this is not read ahead of the command that is being carried out.
const AHEAD: usize = 256 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// Why no command came.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum NoCommand {
    Gone,
    TooLong,
    Disordered,
}

/// A client. While it is idle it holds no buffer.
pub(in super::super) struct Client<S> {
    stream: S,
    inbox: BytesMut,
}

impl<S: Stream> Client<S> {
    pub(in super::super) fn new(stream: S) -> Self {
        Self { stream, inbox: BytesMut::new() }
    }

    /// The stream itself; `None` if more was read from it than was looked at.
    pub(in super::super) fn into_stream(self) -> Option<S> {
        self.inbox.is_empty().then_some(self.stream)
    }

    /// The next command, in whole packets, if it is there.
    pub(super) fn take_command(&mut self, limit: usize) -> Result<Option<Bytes>, NoCommand> {
        if self.inbox.is_empty() {
            return Ok(None);
        }
        match framed(&self.inbox, limit) {
            Framed::Whole { length, .. } if length == self.inbox.len() => {
                Ok(Some(std::mem::take(&mut self.inbox).freeze()))
            }
            Framed::Whole { length, .. } => Ok(Some(self.inbox.split_to(length).freeze())),
            Framed::Incomplete => Ok(None),
            Framed::TooLong => Err(NoCommand::TooLong),
            Framed::Disordered => Err(NoCommand::Disordered),
        }
    }

    /// Reads what there is into the inbox. Zero is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {
                    self.inbox.extend_from_slice(buffer.filled());
                    Poll::Ready(Ok(buffer.filled().len()))
                }
            }
        })
    }

    /// Ready when the client has gone. What it says meanwhile is kept.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.inbox.len() < AHEAD {
            match self.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
            }
        }
        Poll::Pending
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// A payload of a login, with its number.
    pub(in super::super) async fn packet(&mut self, limit: usize) -> Result<(Vec<u8>, u8), NoCommand> {
        loop {
            if let Some(packets) = self.take_command(limit)? {
                return Ok((payload(&packets).into_owned(), packets[3]));
            }
            match poll_fn(|cx| self.poll_read(cx)).await {
                Ok(0) | Err(_) => return Err(NoCommand::Gone),
                Ok(_) => {}
            }
        }
    }

    pub(in super::super) async fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let mut out = Vec::with_capacity(payload.len() + 4);
        push(&mut out, sequence, payload);
        self.write(&out).await
    }

    pub(in super::super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub(in super::super) async fn close(&mut self) {
        // If it cannot be told it has gone.
        let _ = self.stream.shutdown().await;
    }
}
