//! Reading into memory that all clients of a thread share, and writing with memory only for what did not go out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::backend::Backend;
use crate::net::Socket;

/// What is read at once. Large, because it is there once per thread and not once per client.
const CHUNK: usize = 64 * 1024;
/// A rewritten chunk may be longer than it was; memory beyond this is given back.
const KEPT: usize = 4 * CHUNK;

struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { input: vec![0; CHUNK].into_boxed_slice(), output: Vec::new() });
}

/// Something that has a stream among its parts.
pub(super) trait Source {
    type Stream: AsyncRead + Unpin;

    fn stream(&mut self) -> &mut Self::Stream;
}

impl Source for Backend {
    type Stream = Socket;

    fn stream(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

/// Reads what there is from `source` and hands it to `process`, with room for what that makes of it. No bytes are
/// the end.
pub(super) fn poll_read<T: Source, R>(
    source: &mut T,
    cx: &mut Context<'_>,
    process: impl FnOnce(&mut T, &[u8], &mut Vec<u8>, &mut Context<'_>) -> R,
) -> Poll<io::Result<R>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(&mut scratch.input);
        match Pin::new(source.stream()).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let result = process(source, buffer.filled(), &mut scratch.output, cx);
                scratch.output.clear();
                if scratch.output.capacity() > KEPT {
                    scratch.output = Vec::new();
                }
                Poll::Ready(Ok(result))
            }
        }
    })
}

/// Room for what becomes of bytes that were read earlier.
pub(super) fn with_output<T>(process: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.output.clear();
        process(&mut scratch.output)
    })
}

/// Bytes that others hold too, and some behind them.
#[derive(Debug, Default)]
struct More {
    shared: VecDeque<Bytes>,
    bytes: Vec<u8>,
}

/// Shared bytes up to this length are copied: that costs less than keeping account of them.
const COPIED: usize = 4 * 1024;

/// What is on its way out and has not gone yet.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    gone: usize,
    /// What goes out after that.
    more: Option<Box<More>>,
    /// The stream itself holds something back: TLS does, when its socket is full.
    unflushed: bool,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.more.is_none() && !self.unflushed
    }

    pub(super) fn len(&self) -> usize {
        let more = self
            .more
            .as_ref()
            .map_or(0, |more| more.shared.iter().map(Bytes::len).sum::<usize>() + more.bytes.len());
        self.bytes.len() - self.gone + more
    }

    /// Where to add to what goes out.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        match &mut self.more {
            Some(more) => &mut more.bytes,
            None => &mut self.bytes,
        }
    }

    /// Adds bytes that are not copied if they are many.
    pub(super) fn share(&mut self, bytes: &Bytes) {
        let bytes_follow = self.more.as_ref().is_some_and(|more| !more.bytes.is_empty());
        if bytes.len() <= COPIED || bytes_follow {
            self.bytes().extend_from_slice(bytes);
        } else {
            self.more.get_or_insert_default().shared.push_back(bytes.clone());
        }
    }

    /// Puts what comes next in the place of what has gone.
    fn advance(&mut self) {
        // Idle clients hold no buffers.
        self.bytes = Vec::new();
        self.gone = 0;
        let Some(more) = &mut self.more else { return };
        if let Some(bytes) = more.shared.pop_front() {
            self.bytes = bytes.into();
        } else {
            self.bytes = std::mem::take(&mut more.bytes);
            self.more = None;
        }
    }

    /// Sends `bytes` behind what waits, and keeps what does not go out.
    pub(super) fn send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        if self.bytes.is_empty() && self.more.is_none() {
            let sent = write(stream, cx, bytes)?;
            bytes = &bytes[sent..];
            if bytes.is_empty() {
                return self.flush(stream, cx);
            }
        }
        self.bytes().extend_from_slice(bytes);
        Ok(())
    }

    /// Sends what waits. True if any of it went out.
    pub(super) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> io::Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        let mut moved = false;
        loop {
            let sent = write(stream, cx, &self.bytes[self.gone..])?;
            moved |= sent > 0;
            self.gone += sent;
            if self.gone < self.bytes.len() {
                return Ok(moved);
            }
            self.advance();
            if self.bytes.is_empty() && self.more.is_none() {
                self.flush(stream, cx)?;
                return Ok(moved || self.is_empty());
            }
        }
    }

    fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> io::Result<()> {
        self.unflushed = match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(result) => {
                result?;
                false
            }
            Poll::Pending => true,
        };
        Ok(())
    }
}

/// Writes as much as goes out now.
fn write<S: AsyncWrite + Unpin>(stream: &mut S, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match Pin::new(&mut *stream).poll_write(cx, &bytes[sent..]) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(more)) => sent += more,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_does_not_go_out_is_kept_in_order() {
        let (mut near, mut far) = tokio::io::duplex(8);
        let mut outgoing = Outgoing::default();
        poll_fn(|cx| {
            outgoing.send(&mut near, cx, b"0123456789").unwrap();
            outgoing.send(&mut near, cx, b"abc").unwrap();
            Poll::Ready(())
        })
        .await;
        assert_eq!(outgoing.len(), 5);
        let mut bytes = [0; 13];
        far.read_exact(&mut bytes[..8]).await.unwrap();
        poll_fn(|cx| Poll::Ready(outgoing.poll_send(&mut near, cx).unwrap())).await;
        far.read_exact(&mut bytes[8..]).await.unwrap();
        assert_eq!(&bytes, b"0123456789abc");
        assert!(outgoing.is_empty() && outgoing.bytes.capacity() == 0);
    }

    #[tokio::test]
    async fn shared_bytes_go_out_in_their_place() {
        let (mut near, mut far) = tokio::io::duplex(1000);
        let large = Bytes::from(vec![b'x'; COPIED + 1]);
        let mut outgoing = Outgoing::default();
        let mut expected = Vec::new();
        for part in [&b"first"[..], &large, &large, b"second", &large, b"last"] {
            expected.extend_from_slice(part);
            outgoing.share(&Bytes::copy_from_slice(part));
        }
        assert_eq!(outgoing.len(), expected.len());
        let mut got = Vec::new();
        while got.len() < expected.len() {
            poll_fn(|cx| Poll::Ready(outgoing.poll_send(&mut near, cx).unwrap())).await;
            far.read_buf(&mut got).await.unwrap();
        }
        assert!(got == expected && outgoing.is_empty());
    }
}
